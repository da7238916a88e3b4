"""Look for the training settings that suit a model best: a study of learning rate, schedule, weight decay and epochs.

The paper tuned its classic MNIST models at bottleneck 64 too, and found that this does not close the gap to the INN
(section 4). A study never sees a test image: each trial trains on one part of the training set and is judged on the
rest of it. Its winner is then trained on the whole training set, under the recipe name `tuned`.

A study's folder holds `study.db` (Optuna's, every trial as soon as it has finished), `trials.csv` and `tuned.json`. It
can be stopped at any time: the next call goes on, and ends with the very trials of an unbroken study.
"""

import datetime
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innae_utils import parameters, settings
from innae_utils.results import ResultError, commit, is_commit, replacing, versions
from innae_utils.settings import PROJECT, Recipe

# What 22_tuning declares; a test compares the two.
PARAMETERS = (
    "dataset", "model", "bottleneck", "trials", "preset", "seed", "data_root", "runs", "device", "precision",
)  # fmt: skip
PAPER_BOTTLENECK = 64  # where the paper tuned its classic MNIST models a second time
HELD_OUT = 1 / 6  # of the training images: MNIST's usual 10,000 of 60,000
STARTUP_TRIALS = 10  # drawn at random, before the sampler trusts what it has seen

# A schedule is the fractions of all epochs after which the learning rate is divided by ten.
SCHEDULES = {
    "every tenth": tuple(n / 10 for n in range(1, 10)),  # the paper's on MNIST
    "60 and 85 %": (0.6, 0.85),  # the paper's on CIFAR-10
    "80 %": (0.8,),  # the recipe `late`
    "50 and 75 and 90 %": (0.5, 0.75, 0.9),
}
LR_RANGE = (1 / 8, 4.0)  # times the paper recipe's
EPOCHS_RANGE = (0.5, 2.0, 0.25)  # lowest, highest, step, times the paper recipe's
WEIGHT_DECAY_RANGE = (1e-7, 1e-3)
COLUMNS = (
    "dataset", "model", "bottleneck", "seed", "preset", "trial", "state", "epochs", "lr", "schedule", "weight_decay",
    "train_images", "held_out_images", "train_l1", "held_out_l1", "seconds", "device", "threads", "precision",
    "torch", "commit", "finished_at",
)  # fmt: skip


# ---- a study and its recipes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The checked parameters of a study; `final` is the run that its winner is trained in."""

    final: parameters.Run
    trials: int
    folder: Path

    @property
    def base(self) -> Recipe:
        """The paper's recipe: what a study does not look for is as it is there."""
        return settings.find_recipe(self.final.dataset, self.final.model, "paper")


def check_plan(given: Mapping[str, Any]) -> Plan:
    """Check every parameter of a study. `bottleneck` 0 means 64, as in the paper, or the data set's largest.

    Raises ParameterError that lists what is wrong.
    """
    parameters.refuse_unknown(given, PARAMETERS, "22_tuning")
    p = dict(given)
    settings.stop_if([f"{name}: is missing" for name in PARAMETERS if name not in p], "The study")
    wrong = parameters.check_names(p["dataset"], [p["model"]], ["paper"], p["preset"])
    wrong += settings.check_number("trials", p["trials"], 1, None, "1 or more")
    if not isinstance(p["runs"], str):
        wrong.append(f"runs: {p['runs']!r} is a {type(p['runs']).__name__}; allowed: a string")
    if p["dataset"] == "images":
        wrong = ["dataset: 'images' has no size of its own, so it cannot be tuned here; allowed: any other"]
    settings.stop_if(wrong, "The study")
    if p["bottleneck"] == 0 and not isinstance(p["bottleneck"], bool):
        p["bottleneck"] = min(PAPER_BOTTLENECK, max(settings.DATASETS[p["dataset"]].bottlenecks))
    place = {name: p[name] for name in ("dataset", "model", "bottleneck", "seed", "preset")}
    root = Path(p["runs"] or PROJECT / "runs").expanduser().absolute()
    wrong = settings.check_number("bottleneck", p["bottleneck"], 0, None, "1 or more, or 0 for the paper's 64")
    wrong += settings.check_number("seed", p["seed"], 0, 2**31 - 1, "0 to 2147483647")
    settings.stop_if(wrong, "The study")
    folder = settings.run_dir(**place, recipe=settings.TUNED, root=root)
    rest = {name: p[name] for name in ("data_root", "device", "precision")}
    final = parameters.check_run(
        {**place, **rest, "recipe": "paper", "epochs": 0, "recompute": False, "run_dir": str(folder)}
    )
    kept = settings.preset_folder(root, p["preset"]) / "tuning" / p["dataset"] / p["model"]
    return Plan(final, p["trials"], kept / folder.parent.name / folder.name)


def recipe_of(base: Recipe, epochs: int, lr: float, schedule: str, weight_decay: float) -> Recipe:
    """The recipe that a trial's settings stand for.

    Example:
        >>> base = settings.find_recipe("mnist", "classic", "paper")
        >>> recipe_of(base, 100, 1e-3, "every tenth", 1e-5) == base
        True
        >>> recipe_of(base, 50, 5e-4, "60 and 85 %", 0.0).milestones
        (30, 42)
    """
    drops = tuple(dict.fromkeys(max(1, round(fraction * epochs)) for fraction in SCHEDULES[schedule]))
    return settings.tuned(base, epochs=epochs, lr=lr, milestones=drops, weight_decay=weight_decay)


def suggest(trial, base: Recipe) -> dict[str, Any]:
    """The settings of a trial: epochs, lr, schedule, weight_decay."""
    low, high, step = (round(factor * base.epochs) for factor in EPOCHS_RANGE)
    return {
        "epochs": trial.suggest_int("epochs", low, high, step=max(1, step)),
        "lr": trial.suggest_float("lr", *(factor * base.lr for factor in LR_RANGE), log=True),
        "schedule": trial.suggest_categorical("schedule", tuple(SCHEDULES)),
        "weight_decay": trial.suggest_float("weight_decay", *WEIGHT_DECAY_RANGE, log=True),
    }


def known_settings(base: Recipe) -> list[dict[str, Any]]:
    """What every study tries first, so that its winner is at least as good: the paper's schedule, and one late drop."""
    same = {"epochs": base.epochs, "lr": base.lr, "weight_decay": base.weight_decay}
    printed = [name for name in SCHEDULES if recipe_of(base, schedule=name, **same) == base]
    return [{**same, "schedule": name} for name in dict.fromkeys([*printed, "80 %"])]


# ---- trials ----------------------------------------------------------------------------------------------------


def split(images) -> tuple[Any, Any]:
    """The training images as (those to train on, those held out), by a permutation that is always the same."""
    import torch

    from innae_utils.data import Images

    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(images.pixels.device)
    held_out = max(1, round(HELD_OUT * len(images)))
    parts = images.pixels[order[held_out:]], images.pixels[order[:held_out]]
    return tuple(Images(pixels, images.max_value, images.device) for pixels in parts)


def search(plan: Plan, images) -> Iterator[dict[str, Any]]:
    """Run the trials that are still missing, one after the other.

    No trial is cut short: before its rate falls, a schedule that falls late always looks worse than one that fell.

    Args:
        plan: from `check_plan`.
        images: the training images, on the device.

    Yields:
        One record a trial, the finished ones of earlier calls first: the columns `COLUMNS`.

    Raises:
        ResultError: the study in the folder was made with another recipe, ranges, images, precision, device or torch.
    """
    import optuna
    from optuna.trial import TrialState

    parts = split(images)
    study = _open(plan, parts)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # the last process was killed in it
        study.tell(trial.number, state=TrialState.FAIL)
    yield from records(plan, study)
    first = known_settings(plan.base)
    while (done := len(records(plan, study))) < plan.trials:
        # A sampler of its own for each trial: a study that goes on must not draw the first trial's numbers again.
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=1000 * plan.final.seed + done)
        if done < len(first):
            study.enqueue_trial(first[done])
        trial = study.ask()
        value = _run(trial, plan, parts)
        study.tell(trial, value, state=None if value is not None else TrialState.FAIL)
        yield records(plan, study)[-1]


def _run(trial, plan: Plan, parts) -> float | None:
    """Train one trial's model; its L1 on the held-out images, None if the loss did not stay finite."""
    import torch

    from innae_utils import models, train

    chosen, run = suggest(trial, plan.base), plan.final
    recipe = recipe_of(plan.base, **chosen)
    recipe = recipe.scaled(settings.quick_of(run.spec)["epochs"]) if run.preset == "quick" else recipe
    network = models.build(run.model, run.dataset, run.bottleneck, seed=run.seed).to(parts[0].device)
    precision = train.pick_precision(run.precision, parts[0])
    seen = {"device": str(parts[0].device), "precision": precision, "threads": torch.get_num_threads()}
    seen |= {"torch": versions()["torch"], "commit": commit()}
    seen |= dict(zip(("train_images", "held_out_images"), map(len, parts), strict=True))
    held_out = None
    try:
        history = list(train.fit(network, parts[0], recipe, seed=run.seed, precision=precision))
        seen["seconds"] = round(sum(record["seconds"] for record in history), 3)
        seen["train_l1"], held_out = (train.evaluate(network, part) for part in parts)
    except train.TrainingError as error:
        seen["diverged"] = str(error)
    seen |= {"finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    for name, value in seen.items():
        trial.set_user_attr(name, value)
    return held_out


def _open(plan: Plan, parts):
    """The Optuna study in the plan's folder, made if it is not there."""
    import optuna

    from innae_utils import train

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan.folder.mkdir(parents=True, exist_ok=True)
    path = plan.folder / "study.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="tuning", load_if_exists=True)
    made_with = {
        "recipe": {name: value for name, value in vars(plan.base).items() if name != "sources"},
        "ranges": [SCHEDULES, LR_RANGE, EPOCHS_RANGE, WEIGHT_DECAY_RANGE, STARTUP_TRIALS],
        "images": [len(part) for part in parts],
        "precision": train.pick_precision(plan.final.precision, parts[0]),
        "device": parts[0].device.type,
        "torch": versions()["torch"],
    }
    wanted = {name: json.dumps(value) for name, value in made_with.items()}
    known = study.user_attrs if study.get_trials(deepcopy=False) else wanted
    if missing := [name for name in wanted if name not in known]:
        raise ResultError(
            f"{path} does not say how it was made ({', '.join(missing)}): an earlier version of this package left it; "
            "move it away, or give another `runs`"
        )
    if other := [name for name, value in wanted.items() if known[name] != value]:
        raise ResultError(f"{path} was made otherwise ({', '.join(other)}); move it away, or give another `runs`")
    for name, value in wanted.items():
        study.set_user_attr(name, value)
    return study


def records(plan: Plan, study) -> list[dict[str, Any]]:
    """Every finished trial of a study, in order, one that diverged too; one that was killed does not count."""
    run, found = plan.final, []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "COMPLETE" or "diverged" in trial.user_attrs:
            place = {name: getattr(run, name) for name in ("dataset", "model", "bottleneck", "seed", "preset")}
            state = "diverged" if "diverged" in trial.user_attrs else "finished"
            known = {**place, "trial": len(found), "state": state, **trial.params, **trial.user_attrs}
            found.append({name: {**known, "held_out_l1": trial.value}.get(name) for name in COLUMNS})
    return found


# ---- the winner ------------------------------------------------------------------------------------------------


def best(trials) -> dict[str, Any]:
    """The record of the trial with the smallest L1 on the held-out images. Raises ResultError if none has finished."""
    finished = [record for record in trials if record["state"] == "finished"]
    if not finished:
        raise ResultError("no trial has finished; every one diverged, so try smaller learning rates")
    return min(finished, key=lambda record: record["held_out_l1"])


def winner(plan: Plan, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of `tuned.json` for a study: the four settings, and where they come from."""
    found = best(trials)
    recipe = recipe_of(plan.base, **{name: found[name] for name in ("epochs", "lr", "schedule", "weight_decay")})
    four = {"epochs": recipe.epochs, "lr": recipe.lr, "milestones": recipe.milestones}
    where = {name: found[name] for name in ("bottleneck", "seed", "trial", "held_out_l1", "schedule", "commit")}
    return {**four, "weight_decay": recipe.weight_decay, **where, "trials": len(trials)}


def keep(plan: Plan, trials: list[dict[str, Any]]) -> parameters.Run:
    """Write `trials.csv` and `tuned.json` into the study's folder; the run that trains the winner on all images."""
    import dataclasses

    import pandas as pd

    entry = winner(plan, trials)
    with replacing(plan.folder / "trials.csv") as part:
        pd.DataFrame(trials, columns=list(COLUMNS)).to_csv(part, index=False)
    with replacing(plan.folder / "tuned.json") as part:
        part.write_text(json.dumps({plan.final.dataset: {plan.final.model: entry}}, indent=1) + "\n")
    recipe = settings.tuned(plan.base, *(entry[name] for name in ("epochs", "lr", "milestones", "weight_decay")))
    epochs = settings.quick_of(plan.final.spec)["epochs"] if plan.final.preset == "quick" else recipe.epochs
    return dataclasses.replace(plan.final, recipe=settings.TUNED, epochs=epochs, recipe_settings=recipe.scaled(epochs))


def train_winner(run: parameters.Run, images: Mapping[str, Any]) -> dict[str, Any]:
    """Train a run of `keep` on all training images and judge it on all test images; its row, as 10_train leaves one.

    An interrupted run goes on from its last epoch.
    """
    from innae_utils import models, results, train

    network = models.build(run.model, run.dataset, run.bottleneck, seed=run.seed).to(images["train"].device)
    precision = train.pick_precision(run.precision, images["train"])
    made_by = results.commit()
    with results.working_in(run.run_dir):
        again = {"checkpoint": run.checkpoint, "identity": results.identity(run, precision)}
        history = list(train.fit(network, images["train"], run.recipe_settings, run.seed, precision, **again))
        row = results.make_row(
            vars(run), images, train_l1=train.evaluate(network, images["train"]),
            test_l1=train.evaluate(network, images["test"]), n_params=models.n_params(network),
            seconds=sum(record["seconds"] for record in history), device=str(images["train"].device),
            precision=precision, commit=made_by,
        )  # fmt: skip
        results.finish(run, network, history, train.sample(network, images["test"]), row)
    return row


def publish(folder: str | os.PathLike, results: str | os.PathLike = PROJECT / "results") -> None:
    """Copy a study's trials to `results/tuning_<dataset>.csv` and its winner to `results/tuned.json`.

    An earlier study of the same model is replaced. Afterwards `tuned` is a recipe of that model like any other, and the
    winner's rows can be published with `publishing.publish`.

    Raises ResultError if the study is quick, or made by code that no commit holds. Nothing is written then.
    """
    import pandas as pd

    folder, results = Path(folder), Path(results)
    trials, entries = pd.read_csv(folder / "trials.csv"), json.loads((folder / "tuned.json").read_text())
    ((dataset, models),) = entries.items()
    if not (trials["preset"] == "full").all():
        raise ResultError(f"{folder} is a quick study and not a result; publish full ones alone")
    if not trials["commit"].map(is_commit).all():
        raise ResultError(f"{folder} was made by code that no commit holds; commit it and study again")
    path = results / f"tuning_{dataset}.csv"
    known = pd.read_csv(path) if path.exists() else trials[:0]
    table = pd.concat([known[~known["model"].isin(list(models))], trials]) if len(known) else trials
    with replacing(path) as part:
        table.to_csv(part, index=False)
    chosen = results / settings.TUNED_FILE.name
    all_entries = json.loads(chosen.read_text()) if chosen.exists() else {}
    all_entries[dataset] = {**all_entries.get(dataset, {}), **models}
    with replacing(chosen) as part:
        part.write_text(json.dumps(all_entries, indent=1) + "\n")
