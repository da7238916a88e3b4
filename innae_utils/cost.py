"""What a training costs in computing: counted, not timed, and so the same on every machine.

Epochs do not compare a convolutional INN with a fully connected autoencoder, nor do parameters, and seconds are a
machine's. Floating-point operations (FLOP; an addition is one, and a multiplication) of matrix products and
convolutions are nearly all there is. How fast a machine gets through them is another matter.

References: PaLM (Chowdhery et al. 2022, appendix B), for counting the operations that a model needs and not those that
an implementation happens to make; https://docs.pytorch.org/docs/stable/torch.utils.flop_counter.html.
"""

from functools import cache

import pandas as pd
import torch

from innae_utils import models, settings, train
from innae_utils.sensitivity import AS_IT_IS


@cache
def step_flops(model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "") -> int:
    """FLOP of one training step for each image of the batch: forward, for an INN inverse, and backward.

    Nothing is computed and no memory is taken: the tensors have shapes and no values.

    Args: as for `models.build`; recipe: a name that the model has.

    Example:
        >>> step_flops("classic", "mnist", 12)  # six times the weights, less what the first layer need not pass on
        5998592
    """
    from torch.utils.flop_counter import FlopCounterMode

    found = settings.find_recipe(dataset, model, recipe)
    with torch.device("meta"):
        network = models.build(model, dataset, bottleneck, image_size=image_size).train()
        batch = torch.empty(2, *settings.spec_of(dataset, model, image_size).shape)  # batch norm refuses one alone
        with FlopCounterMode(display=False) as counter:
            train.step(network, batch, found, train.make_optimizer(network, found))
    return counter.get_total_flops() // len(batch)


def training_flops(
    model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "", images: int | None = None
) -> int:
    """FLOP of a whole training: every epoch of the recipe, every batch.

    Args: as for `step_flops`; images: how many there are for training, None for as many as the data set has.

    Raises settings.ParameterError for a folder of own images if `images` is None.

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
    return found.epochs * count * step_flops(model, dataset, bottleneck, recipe, image_size)


COLUMNS = ("dataset", "model", "recipe", "change", "bottleneck", "tflop", "smallest", "mean", "largest", "runs")


def table(rows: pd.DataFrame, changes: pd.DataFrame | None = None) -> pd.DataFrame:
    """What the trainings of rows cost and what they gave, at the largest bottleneck that has most curves.

    Args:
        rows: of `results.gather` or `publishing.published`, of one data set, at least one; whole recipes
            (`results.uncut`).
        changes: of `sensitivity.published`; of a model that ends below all its rows with one setting of its recipe
            changed, in all epochs of it, the best such change is a line of its own.

    Returns:
        DataFrame with columns `COLUMNS`: change is "" but for such a line, tflop NaN for PCA; smallest, mean and
        largest are the test L1 of the runs.
    """
    curves = rows.drop_duplicates(["model", "recipe", "bottleneck"])["bottleneck"].value_counts()
    most = int(curves[curves == curves.max()].index.max())
    there = rows[rows["bottleneck"] == most].assign(change="")
    if changes is not None and len(changes):
        there = pd.concat([there, _better(there, changes[changes["bottleneck"] == most])])
    found = []
    for (model, recipe, change), runs in there.groupby(["model", "recipe", "change"], sort=False):
        first, losses = runs.iloc[0], runs["test_l1"]
        flops = float("nan")
        if model != "pca":
            place = (model, first["dataset"], most, recipe, first["image_size"])
            flops = training_flops(*place, images=int(first["train_images"]))
        spread = losses.min(), losses.mean(), losses.max(), len(runs)
        found.append((first["dataset"], model, recipe, change, most, flops / 1e12, *spread))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _better(rows: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """The runs of each model's best change that ran for all epochs, if it ends below every recipe of the model."""
    found = [rows[:0]]
    for (dataset, model), mine in changes.groupby(["dataset", "model"]):
        whole = mine[
            (mine["epochs"] == settings.find_recipe(dataset, model, "paper").epochs) & (mine["change"] != AS_IT_IS)
        ]
        of_recipes = rows[rows["model"] == model].groupby("recipe")["test_l1"].mean()
        means = whole.groupby("change")["test_l1"].mean()
        if len(means) and len(of_recipes) and means.min() < of_recipes.min():
            best = whole[whole["change"] == means.idxmin()]
            found.append(best.assign(recipe="paper", image_size=rows.loc[rows["model"] == model, "image_size"].iloc[0]))
    return pd.concat(found)[[*rows.columns]]
