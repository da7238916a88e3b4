"""What a training costs in computing: counted, not timed, and so the same on every machine.

Epochs do not compare a convolutional INN with a fully connected autoencoder, nor do parameters, and seconds are a
machine's. Counted are the floating-point operations (FLOP; an addition is one, and a multiplication) of the matrix
products and convolutions of every step, as PyTorch's counter sees them: forward, for an INN inverse, and backward. Not
counted are Adam's and all other operations on single numbers, which are few beside these, the evaluation at the end
(another 4 % of the INN's MNIST training), and what is computed again to save memory. The precision makes
no difference, and how fast a machine gets through them is another matter.

References: https://docs.pytorch.org/docs/stable/torch.utils.flop_counter.html.
"""

from functools import cache

import pandas as pd
import torch

from innae_utils import models, settings, train
from innae_utils.sensitivity import AS_IT_IS


@cache
def step_flops(model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "") -> int:
    """FLOP of one training step for each image of a whole batch.

    Nothing is computed and no memory is taken: the tensors have shapes and no values.

    Args: as for `models.build`; recipe: a name that the model has.

    Example:
        >>> step_flops("classic", "mnist", 12)  # six times the weights, less what the first layer need not pass on
        5998592
    """
    from torch.utils.flop_counter import FlopCounterMode

    found = settings.find_recipe(dataset, model, recipe)
    with torch.device("meta"):
        network = models.build(model, dataset, bottleneck, image_size=image_size)
        batch = torch.empty(found.batch_size, *settings.spec_of(dataset, model, image_size).shape)
        with FlopCounterMode(display=False) as counter:
            train.step(network, batch, found, train.make_optimizer(network, found))
    return counter.get_total_flops() // found.batch_size


def training_flops(
    model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "", images: int | None = None
) -> int:
    """FLOP of a whole training: every epoch of the recipe, every batch.

    Args: as for `step_flops`; images: how many there are for training, at least a batch if the recipe drops what is
    less; None for as many as the data set has.

    Raises settings.ParameterError for too few, and for a folder of own images if `images` is None.

    Example:
        >>> [round(training_flops(model, "mnist", 64) / 1e12) for model in ("inn", "classic")]  # TFLOP
        [783, 36]
    """
    found, known = settings.find_recipe(dataset, model, recipe), settings.DATASETS[dataset].images
    if images is None and not known:
        raise settings.ParameterError(f"images: how many {dataset} has for training is not known; give their number")
    count = known[0] if images is None else images
    if found.drop_last:
        count -= count % found.batch_size
    if count < 1:
        raise settings.ParameterError(f"images: {images} do not make a batch; allowed: {found.batch_size} or more")
    return found.epochs * count * step_flops(model, dataset, bottleneck, recipe, image_size)


def study_flops(trials: pd.DataFrame) -> int:
    """FLOP of a study's finished trials, from which the settings of the recipe `tuned` come; others are not counted.

    Args:
        trials: the study of one model, as in `results/tuning_<dataset>.csv`.
    """
    total = 0
    for trial in trials[trials["state"] == "finished"].to_dict("records"):
        place = {name: trial[name] for name in ("model", "dataset", "bottleneck")}
        paper = settings.find_recipe(trial["dataset"], trial["model"], "paper")
        flops = training_flops(**place, images=trial["train_images"])  # a trial has the paper's batches
        total += flops * trial["epochs"] // paper.epochs
    return total


COLUMNS = (
    "dataset", "model", "recipe", "image_size", "change", "bottleneck", "tflop", "smallest", "mean", "largest", "runs",
)  # fmt: skip
CURVE = ["model", "recipe", "image_size", "train_images"]  # runs that differ in one of these cost differently


def table(rows: pd.DataFrame, changes: pd.DataFrame | None = None) -> pd.DataFrame:
    """What the trainings of rows cost and what they gave, at the largest bottleneck that has most curves.

    Args:
        rows: of `results.gather` or `publishing.published`, of one data set; whole recipes (`results.uncut`). Those of
            a recipe that is not known here, such as `tuned` without its study, are left out.
        changes: of `sensitivity.published`. Of a model that ends below all its recipes with one setting changed, in
            all epochs of the paper's, the best such change (by test L1) is a line of its own.

    Returns:
        DataFrame with columns `COLUMNS`: change is "" but for such a line, tflop NaN for PCA; smallest, mean and
        largest are the test L1 of the runs.
    """
    known = [_is_known(row) for row in rows.to_dict("records")]
    rows = rows[pd.Series(known, index=rows.index, dtype=bool)]
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    curves = rows.drop_duplicates([*CURVE, "bottleneck"])["bottleneck"].value_counts()
    most = int(curves[curves == curves.max()].index.max())
    there = rows[rows["bottleneck"] == most].assign(change="")
    if changes is not None and len(changes):
        there = pd.concat([there, _better(there, changes[changes["bottleneck"] == most])])
    found = []
    for (model, recipe, size, images, change), runs in there.groupby([*CURVE, "change"], sort=False):
        dataset, losses, flops = runs["dataset"].iloc[0], runs["test_l1"], float("nan")
        if model != "pca":
            flops = training_flops(model, dataset, most, recipe, size, int(images))
        spread = losses.min(), losses.mean(), losses.max(), len(runs)
        found.append((dataset, model, recipe, size, change, most, flops / 1e12, *spread))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _is_known(row) -> bool:
    """Whether the cost of a row can be counted: it is PCA's, or has a recipe that is known here."""
    if row["model"] != "pca":
        try:
            settings.find_recipe(row["dataset"], row["model"], row["recipe"])
        except settings.ParameterError:
            return False
    return True


def _better(rows: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """The runs of each model's best change, if it ends below every recipe of the model.

    Changes of the schedule take other operations, and are passed over; so are those with a run that diverged.
    """
    found = [rows[:0]]
    for (dataset, model), mine in changes.groupby(["dataset", "model"]):
        epochs = settings.find_recipe(dataset, model, "paper").epochs
        whole = mine[(mine["epochs"] == epochs) & ~mine["change"].str.startswith((AS_IT_IS, "schedule"))]
        means = whole.groupby("change")["test_l1"].agg(lambda losses: losses.mean(skipna=False)).dropna()
        recipes = rows[rows["model"] == model]
        if len(means) and len(recipes) and means.min() < recipes.groupby("recipe")["test_l1"].mean().min():
            best = whole[whole["change"] == means.idxmin()]
            found.append(best.assign(recipe="paper", image_size=recipes["image_size"].iloc[0]))
    return pd.concat(found)[[*rows.columns]]
