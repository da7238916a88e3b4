"""What moves a model's loss: the paper's recipe, and the same with one thing changed at a time.

A printed curve that is missed by a few thousandths may be missed for a hundred reasons. This says which settings move a
point by as much, and which do not, and what becomes of it where the paper is silent or can be read otherwise: short
trainings, as far as the second fall of the learning rate, after which a loss hardly moves any more.

The folder of a call holds `changes.csv`, a row as soon as it is measured, and a checkpoint of every training that
was stopped; the next call goes on where it stopped.
"""

import datetime
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innae_utils import parameters, settings, sweeps
from innae_utils.results import ResultError, code_digest, commit, identity, is_commit, replacing, versions
from innae_utils.settings import PROJECT, Recipe, ours

# What 24_what_moves_it declares; a test compares the two.
PARAMETERS = (
    "dataset", "model", "bottleneck", "seed", "preset", "epochs", "changes", "data_root", "runs", "device", "precision",
)  # fmt: skip
AS_IT_IS = "as it is"
# A change is a field of the recipe and its factor; `schedule` stretches all epochs and falls of the learning rate.
CHANGES: dict[str, dict[str, float]] = {
    AS_IT_IS: {},
    "weight decay 0": {"weight_decay": 0},
    "weight decay / 10": {"weight_decay": 1 / 10},
    "weight decay / 2": {"weight_decay": 1 / 2},
    "weight decay x 2": {"weight_decay": 2},
    "weight decay x 10": {"weight_decay": 10},
    "learning rate / 2": {"lr": 1 / 2},
    "learning rate x 2": {"lr": 2},
    "batch / 2": {"batch_size": 1 / 2},
    "batch x 2": {"batch_size": 2},
    "schedule x 1.2": {"schedule": 1.2},
    "schedule x 2": {"schedule": 2},
    "Adam's defaults": {},  # of `VALUES`
    "the INN's Adam": {},
    "torch's initialisation": {},  # of the network: `NETWORKS`
    "He's initialisation": {},
    "ReLU on the bottleneck": {},
    "other numbers kept": {},
    "Haar coefficients kept": {},
}
# What is not multiplied: Adam as the authors set it for the other family, which for the classic one is as torch has it.
VALUES: dict[str, dict[str, Any]] = {
    change: {name: of_family[name].value for name in ("betas", "eps")}
    for change, of_family in (("Adam's defaults", settings.CLASSIC), ("the INN's Adam", settings.INN))
}
PLACE = ("dataset", "model", "bottleneck", "seed", "preset")
USED = (  # of the recipe that a change makes
    "epochs", "batch_size", "lr", "first_fall", "weight_decay", "beta1", "beta2", "eps",
)  # fmt: skip
COLUMNS = (
    *PLACE, "change", *USED, "train_images", "test_images", "train_l1", "test_l1", "seconds", "device", "threads",
    "precision", "torch", "commit", "finished_at",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The checked parameters: the run that is changed, how many epochs of its schedule are trained, with which changes
    (the unchanged one first), and the folder."""

    run: parameters.Run
    epochs: int
    changes: tuple[str, ...]
    folder: Path

    @property
    def base(self) -> Recipe:
        """The paper's recipe, all epochs of it."""
        return settings.find_recipe(self.run.dataset, self.run.model, "paper")


def check_plan(given: Mapping[str, Any]) -> Plan:
    """Check every parameter. `epochs` 0 means up to the second fall of the learning rate, or all if there is none;
    `changes` is a list with commas, "" for all that the model has.

    Raises ParameterError that lists what is wrong.
    """
    parameters.refuse_unknown(given, PARAMETERS, "24_what_moves_it")
    p = dict(given)
    settings.stop_if([f"{name}: is missing" for name in PARAMETERS if name not in p], "The study")
    wrong = parameters.check_names(p["dataset"], [p["model"]], ["paper"], p["preset"])
    if not isinstance(p["runs"], str):
        wrong.append(f"runs: {p['runs']!r} is a {type(p['runs']).__name__}; allowed: a string")
    if p["dataset"] == "images":
        wrong = ["dataset: 'images' has no printed recipe to change; allowed: any other"]
    settings.stop_if(wrong, "The study")
    base = settings.find_recipe(p["dataset"], p["model"], "paper")
    few = settings.quick_of(settings.spec_of(p["dataset"], p["model"]))["epochs"]
    known = {name: p[name] for name in (*PLACE, "data_root", "device", "precision")}
    run = parameters.check_run({**known, "recipe": "paper", "epochs": 0, "recompute": False, "run_dir": ""})
    wrong = settings.check_number("epochs", p["epochs"], 0, base.epochs, f"0 to {base.epochs}")
    chosen, wrong_changes = _chosen(run.model, p["changes"])
    settings.stop_if([*wrong, *wrong_changes], "The study")
    second = (*base.milestones, base.epochs, base.epochs)[1]
    epochs = few if run.preset == "quick" else p["epochs"] or second
    root = settings.preset_folder(Path(p["runs"] or PROJECT / "runs").expanduser().absolute(), run.preset)
    folder = root / "sensitivity" / run.dataset / run.model / f"k{run.bottleneck:04d}" / f"seed{run.seed}"
    return Plan(run, epochs, chosen, folder)


def _chosen(model: str, changes: Any) -> tuple[tuple[str, ...], list[str]]:
    """The changes of a list with commas, the unchanged training first, and what is wrong with the list."""
    known = changes_of(model)
    if not isinstance(changes, str):
        return (), [f"changes: {changes!r} is a {type(changes).__name__}; allowed: a string, names with commas"]
    asked = sweeps.split_list(changes)
    wrong = [
        f"changes: {name!r} is not known for {model}; allowed: {', '.join(known)}"
        for name in asked
        if name not in known
    ]
    return tuple(dict.fromkeys([AS_IT_IS, *(asked or known)])), wrong


def initialise_as_torch(network) -> None:
    """Draw all weights as torch does by itself, by torch's own generator: of initialisation the paper says nothing."""
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def initialise_as_he(network) -> None:
    """Draw all weights so that what passes a layer of ReLUs keeps its size, where the authors' (Xavier) halve its
    variance; biases stay.

    References: He et al., Delving Deep into Rectifiers (ICCV 2015), equation (10).
    """
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def rectify_bottleneck(network) -> None:
    """Put a ReLU on y: section 3.1's "four fully-connected layers [...] followed by ReLUs", of which the last gives y.

    The authors' code has none there.
    """
    from torch import nn

    network.encoder.append(nn.ReLU())


def keep_others(network) -> None:
    """Put the INN's latent numbers in another order, at random, so that others come first and are kept.

    The authors start the INN as the identity and keep the first k numbers: those of the upper rows, before training.
    """
    import torch

    order = torch.randperm(network.dim)

    class Shuffled(torch.nn.Module):
        """An INN, (B, C, H, W) to a latent of this shape and back, whose latent numbers are shuffled."""

        def __init__(self, inn):
            super().__init__()
            self.inn = inn
            self.register_buffer("order", order)

        def forward(self, x, rev=False):
            if rev:
                return self.inn(x.flatten(1)[:, self.order.argsort()].view_as(x), rev=True)
            latent, log_det = self.inn(x)
            return latent.flatten(1)[:, self.order].view_as(latent), log_det

    network.inn = Shuffled(network.inn)


def keep_coefficients(network) -> None:
    """Leave out the Haar steps that end the INN, so that it keeps what they start from, channel by channel.

    Before training, the first numbers are then averages of 2 x 2 pixels of the first colour (twice of them; with two
    Haar steps of 4 x 4), row by row over the whole picture, if so many are kept, and its differences follow; the
    authors' are pixels of its upper rows.
    """
    import FrEIA.modules as Fm

    from innae_utils.inn import HaarUp

    inn = network.inn
    while isinstance(inn.module_list[-1], HaarUp):
        for each in (inn.module_list, inn.shapes, inn.conditions):
            each.pop(-1)
    inn.append(Fm.Reshape, output_dims=inn.shapes[0])  # for its shape alone: the order is as it was


NETWORKS = {
    "torch's initialisation": initialise_as_torch,
    "He's initialisation": initialise_as_he,
    "ReLU on the bottleneck": rectify_bottleneck,
    "other numbers kept": keep_others,
    "Haar coefficients kept": keep_coefficients,
}


def changes_of(model: str) -> list[str]:
    """The changes that a model is trained with.

    A ReLU on the bottleneck is for the paper's classic models alone, weights for ReLUs for the classic family, the
    choice of the numbers that are kept for INNs (`inn_thesis` ends in no Haar step that could be left out), and each
    family can have the other's Adam.

    Example:
        >>> sorted({*CHANGES} - {*changes_of("inn")})
        ["He's initialisation", 'ReLU on the bottleneck', "the INN's Adam"]
        >>> sorted({*CHANGES} - {*changes_of("classic_deep")})
        ["Adam's defaults", 'Haar coefficients kept', 'other numbers kept']
    """
    inn = settings.family(model) == "inn"
    fits = {
        "Adam's defaults": inn, "the INN's Adam": not inn, "He's initialisation": not inn,
        "ReLU on the bottleneck": settings.is_classic(model), "other numbers kept": inn,
        "Haar coefficients kept": inn and model != settings.THESIS,
    }  # fmt: skip
    return [change for change in CHANGES if fits.get(change, True)]


def changed(base: Recipe, change: str, epochs: int) -> Recipe:
    """The first epochs of a recipe with one change.

    Args:
        base: the whole recipe.
        change: a name in `CHANGES`; one of the network leaves the recipe as it is.
        epochs: where the unchanged one stops; a stretched schedule stops as much later.

    Example:
        >>> base = settings.find_recipe("mnist", "classic", "paper")
        >>> recipe = changed(base, "schedule x 1.2", 20)
        >>> recipe.epochs, recipe.milestones
        (24, (12,))
        >>> changed(base, "weight decay / 2", 20).weight_decay
        5e-06
    """
    factors = dict(CHANGES[change])
    stretch = factors.pop("schedule", 1)
    whole, stop = base.scaled(round(stretch * base.epochs)), max(1, round(stretch * epochs))
    falls = tuple(fall for fall in whole.milestones if fall < stop)
    new = {name: float(f"{getattr(base, name) * factor:.9g}") for name, factor in factors.items()}
    values = {name: type(getattr(base, name))(value) for name, value in new.items()}
    values |= {"epochs": stop, "milestones": falls} | VALUES.get(change, {})
    return whole.with_values(**{name: ours(value) for name, value in values.items()})


def measure(plan: Plan, images: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Train with every change of the plan that is still missing, one after the other; one record each, `COLUMNS`.

    A training whose loss does not stay finite has no losses in its record.

    Args:
        plan: from `check_plan`.
        images: the splits `train` and `test`, on the device.

    Raises:
        ResultError: `changes.csv` was made with other settings, images, precision, device or torch.
    """
    import pandas as pd

    path = plan.folder / "changes.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _done(path)
    for change in plan.changes:
        wanted = _wanted(plan, change, images)
        record = next((record for record in done if record["change"] == change), None)
        if record is None:
            checkpoint = plan.folder / f"checkpoint_{re.sub('[^a-z0-9.]+', '_', change.lower())}.pt"
            found = {**wanted, **_train(plan, change, images, checkpoint, wanted)}
            record = {name: found[name] for name in COLUMNS}
            done = [*_done(path), record]  # another process may have added some
            with replacing(path) as part:
                pd.DataFrame(done, columns=list(COLUMNS)).to_csv(part, index=False)
            checkpoint.unlink(missing_ok=True)
        elif other := [name for name, value in wanted.items() if record.get(name) != value]:
            raise ResultError(f"{path} was made otherwise ({', '.join(other)}); move it away, or give another `runs`")
        yield record


def _done(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    return pd.read_csv(path).to_dict("records") if path.exists() else []


def _wanted(plan: Plan, change: str, images: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of how it was made: one on the disk must say the same."""
    from innae_utils import train

    recipe = changed(plan.base, change, plan.epochs)
    known = {name: getattr(plan.run, name) for name in PLACE} | {"change": change} | _settings_of(recipe)
    known |= {f"{split}_images": len(images[split]) for split in ("train", "test")}
    known |= {"device": images["train"].device.type, "torch": versions()["torch"]}
    return known | {"precision": train.pick_precision(plan.run.precision, images["train"])}


def _settings_of(recipe: Recipe) -> dict[str, Any]:
    """What a record says of its recipe: `USED`."""
    known = {name: getattr(recipe, name) for name in USED if hasattr(recipe, name)}
    known |= dict(zip(("beta1", "beta2"), recipe.betas, strict=True))
    return known | {"first_fall": (*recipe.milestones, recipe.epochs)[0]}


def _train(
    plan: Plan, change: str, images: Mapping[str, Any], checkpoint: Path, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Train once, or to the end; the losses, and what this process knows of itself."""
    import torch

    from innae_utils import models, train

    run, recipe, made_by = plan.run, changed(plan.base, change, plan.epochs), commit()
    network = models.build(run.model, run.dataset, run.bottleneck, seed=run.seed)
    if change in NETWORKS:
        torch.manual_seed(run.seed)
        NETWORKS[change](network)
    network = network.to(images["train"].device)
    precision = wanted["precision"]
    losses = {"train_l1": float("nan"), "test_l1": float("nan"), "seconds": float("nan")}
    mine = f"{wanted} {code_digest([Path(__file__)])} {identity(run, precision)}"
    again = {"checkpoint": checkpoint, "identity": mine}
    try:
        history = list(train.fit(network, images["train"], recipe, seed=run.seed, precision=precision, **again))
        losses = {f"{split}_l1": train.evaluate(network, images[split]) for split in ("train", "test")}
        losses["seconds"] = round(sum(record["seconds"] for record in history), 3)
    except train.CheckpointError:
        raise
    except train.TrainingError:
        pass  # diverged: that is an answer too
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**losses, "threads": torch.get_num_threads(), "commit": made_by, "finished_at": finished}


# ---- seeds -----------------------------------------------------------------------------------------------------


def between_seeds(rows, printed=None):
    """How far runs that differ in nothing but the seed lie apart, and their means from the paper's points.

    Args:
        rows: finished rows of one curve (data set, model, recipe, image size), columns `results.ROW`.
        printed: of `publishing.read_printed`; None for none.

    Returns:
        A table (index: bottleneck; columns: runs, mean, lowest, highest, and, if printed, paper and difference, NaN
        where nothing is printed), and the standard deviation between seeds, pooled over the bottlenecks that have two
        runs or more; NaN if none has.

    Raises:
        ResultError: the rows are of several curves, or two are of the same seed and bottleneck.
    """
    curve = ["dataset", "model", "recipe", "image_size"]
    if len(rows[curve].drop_duplicates()) > 1:
        raise ResultError("the rows are of several curves; give those of one data set, model, recipe and image size")
    if rows.duplicated(["bottleneck", "seed"]).any():
        raise ResultError("two rows are of the same seed and bottleneck; give one of each")
    losses = rows.groupby("bottleneck")["test_l1"]
    deviation, _ = pooled_deviation(rows["test_l1"], rows["bottleneck"])
    table = losses.agg(runs="size", mean="mean", lowest="min", highest="max")
    if printed is not None and len(rows):
        mine = (printed["dataset"] == rows["dataset"].iloc[0]) & (printed["model"] == rows["model"].iloc[0])
        table["paper"] = printed[mine].set_index("bottleneck")["test_l1"].reindex(table.index)
        table["difference"] = table["mean"] - table["paper"]
    return table, deviation


def pooled_deviation(values, points) -> tuple[float, int]:
    """The standard deviation of values (a series) within the points they belong to (what `groupby` takes), pooled over
    all points, and its degrees of freedom: values less points. NaN without any."""
    groups = values.groupby(points, dropna=False)
    freedom = len(values) - groups.ngroups
    squares = ((values - groups.transform("mean")) ** 2).sum()
    return (float((squares / freedom) ** 0.5) if freedom else float("nan")), freedom


# ---- published -------------------------------------------------------------------------------------------------


def publish(
    folder: str | os.PathLike, results: str | os.PathLike = PROJECT / "results", changes: Iterable[str] | None = None
) -> None:
    """Add a folder's `changes.csv` to `results/sensitivity_<dataset>.csv`, in the place of earlier ones of its point.

    Args:
        folder: of a plan.
        results: where published rows lie.
        changes: those that were meant, `plan.changes`; None for all that the model has.

    Raises ResultError if one of them is missing, if published changes of the point that it does not replace were made
    otherwise (epochs, images, precision, device or torch), or if it is quick, cut short before the second fall of the
    learning rate, not of all training images, without a loss of the unchanged training, not of these changes, or made
    by code that no commit holds. Nothing is written then.
    """
    import pandas as pd

    table = pd.read_csv(Path(folder) / "changes.csv")
    if isinstance(changes, str):
        raise ResultError(f"changes: {changes!r} is one string; give a list, such as plan.changes")
    wanted = changes_of(table["model"].iloc[0]) if changes is None else [AS_IT_IS, *changes]
    if missing := [change for change in wanted if change not in set(table["change"])]:
        raise ResultError(f"{folder} is not finished ({', '.join(missing)}); run the notebook again, it goes on")
    if lacking := [name for name in COLUMNS if name not in table]:
        raise ResultError(f"{folder} lacks columns ({', '.join(lacking)}); move it away and run the notebook again")
    if not (table["preset"] == "full").all():
        raise ResultError(f"{folder} is quick and not a result; publish full ones alone")
    if not table["commit"].map(is_commit).all():
        raise ResultError(f"{folder} was made by code that no commit holds; commit it and run again")
    _check_whole(table, folder)
    path = Path(results) / f"sensitivity_{table['dataset'].iloc[0]}.csv"
    known = pd.read_csv(path) if path.exists() else table[:0]
    _check_alike(known, table, folder)
    both = pd.concat([known, table]) if len(known) else table
    both = both.drop_duplicates([*PLACE, "change"], keep="last")
    with replacing(path) as part:
        both.to_csv(part, index=False)


def _check_alike(known, table, folder: str | os.PathLike) -> None:
    """Refuse to publish beside changes of the same point that would stay, and were made otherwise."""
    same = known.merge(table[list(PLACE)].drop_duplicates(), on=list(PLACE))
    stay = same[~same["change"].isin(table["change"])]
    made = ["device", "precision", "torch", "train_images", "test_images"]
    other = [name for name in made if set(stay[name]) - set(table[name])]
    epochs = [set(rows.loc[rows["change"] == AS_IT_IS, "epochs"]) for rows in (same, table)]
    if len(stay) and (other or epochs[0] != epochs[1]):
        what = ", ".join(other or ["epochs"])
        left = ", ".join(stay["change"])
        raise ResultError(f"{folder} was made otherwise ({what}) than published changes that would stay: {left}")


def _check_whole(table, folder: str | os.PathLike) -> None:
    """Refuse trainings that are not what the full study of their point would have been."""
    plain = table[table["change"] == AS_IT_IS].iloc[0]
    base = settings.find_recipe(plain["dataset"], plain["model"], "paper")
    second = (*base.milestones, base.epochs, base.epochs)[1]
    if not second <= plain["epochs"] <= base.epochs:
        raise ResultError(f"{folder} ran for {plain['epochs']} epochs; publish {second} to {base.epochs} alone")
    images = settings.DATASETS[plain["dataset"]].images
    if images and plain["dataset"] not in settings.COMMON and (table["train_images"] != images[0]).any():
        raise ResultError(f"{folder} is not of all {images[0]} training images; train on all")
    if not plain["test_l1"] > 0:
        raise ResultError(f"{folder} has no loss of the training as it is; there is nothing to compare with")
    for row in table.to_dict("records"):
        wanted = _settings_of(changed(base, row["change"], plain["epochs"]))
        if other := [name for name, value in wanted.items() if row[name] != value]:
            raise ResultError(f"{folder}: {row['change']!r} has another {', '.join(other)}; run the notebook again")


def published(dataset: str, results: str | os.PathLike = PROJECT / "results"):
    """The published changes of a data set, columns `COLUMNS`; empty if there are none."""
    import pandas as pd

    path = Path(results) / f"sensitivity_{dataset}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))
