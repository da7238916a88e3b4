"""Is it lost? A new decoder, trained on the numbers of a network whose own decoder is thrown away.

An autoencoder's loss does not tell what its encoder lost from what its decoder could not draw. So the encoder is kept
as it is, and a decoder is trained from the start on its codes: the same one, with the same first weights, images and
schedule, for every encoder. What differs then is the codes alone. They are whitened first, so that little hangs on how
an encoder happens to scale, shift or mix them.

A low loss proves that the codes hold as much. A high one proves nothing: what is not lost may be hard to find.
So there are encoders to measure the others by: PCA, a random projection of the pixels, all pixels themselves, which
tell what the decoder reaches when nothing is lost, and every network's own with its first weights.

References: the paper's hypothesis is in its section 4. Networks on frozen features are known as probes: Alain and
    Bengio, Understanding intermediate layers using linear classifier probes (ICLR workshop 2017).
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from innae_utils import losses, models, pca, publishing, results, settings
from innae_utils.data import Images, shuffled
from innae_utils.layers import set_training
from innae_utils.publishing import Kept
from innae_utils.results import PLACE, ResultError
from innae_utils.settings import PROJECT, Recipe, curve_title
from innae_utils.train import (
    TrainingError,
    denormals_as_zero,
    evaluate,
    make_optimizer,
    pick_precision,
    strict_float32,
)

MODEL, RECIPE = "classic_leaky", "late"  # whose decoder it is, and how it is trained: see results/dead_units.md
FLOOR = 1e-3  # of the largest standard deviation: directions that vary less are no further enlarged
BATCH = 500  # images at a time, where nothing is trained
LINEAR = {"pca": "PCA", "random": "random projection", "pixels": "all pixels"}  # encoders that are no networks
UNTRAINED = "untrained"  # the recipe of a network's encoder with its first weights
COLUMNS = (
    *PLACE, "preset", "own_train_l1", "own_test_l1", "train_l1", "test_l1", "epochs", "train_images", "test_images",
    "device", "precision", "run_finished_at", "code", "commit",
)  # fmt: skip
WHAT = "losses of new decoders"

Encoder = Callable[[Tensor], Tensor]  # x (B, C, H, W) -> y (B, k)


@torch.no_grad()
def encoded(encoder: Encoder, images: Images) -> Tensor:
    """The codes of all images, (N, k), float32, on the device of the images."""
    with strict_float32(images.device):
        return torch.cat([encoder(x).float() for x in images.batches(BATCH)])


def whitening(y: Tensor) -> tuple[Tensor, Tensor]:
    """What makes codes y (N, k) white: their mean (k,) and a matrix (k, k), for (y - mean) @ matrix, where y lies.

    The result has mean 0 and the identity as its covariance, but for directions in which y varies by less than `FLOOR`
    of the most: these are divided by that instead, so that rounding is not made into numbers. Codes that an invertible
    affine map turns into each other differ by an orthogonal map afterwards, if they have no such directions.
    """
    exact = y.cpu().double()  # in float64, which not every device has
    centred = exact - exact.mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(y))
    deviations = variances.clamp_min(0).sqrt()
    floor = FLOOR * float(deviations.max()) or 1.0  # 1: all codes are the same
    return exact.mean(0).float().to(y.device), (directions / deviations.clamp_min(floor)).float().to(y.device)


def linear(kind: str, train: Images, test: Images, k: int, seed: int) -> tuple[Encoder, list[float]]:
    """An encoder that is no network, from images (B, C, H, W) to k numbers; to all D of them for `pixels`.

    Args:
        kind: `pca`, the first k components of the training images, `random`, k sums of all pixels, each weighed by a
            draw of the normal distribution, or `pixels`.
        train: the training images.
        test: other images.
        k: 1 to D.
        seed: of the random weights.

    Returns:
        The encoder, and the L1 of training and test images with its own decoder, which only PCA has: else NaN.
    """
    own = [math.nan, math.nan]
    if kind == "pixels":
        return nn.Flatten(), own
    if kind == "pca":
        fitted = pca.fit(train, k)
        own = [pca.l1(fitted, part, k) for part in (train, test)]
        mean, columns = torch.from_numpy(fitted.mean_).float(), torch.from_numpy(fitted.components_.T.copy()).float()
    else:
        dim = train.pixels[0].numel()
        mean, columns = torch.zeros(dim), torch.randn(dim, k, generator=torch.Generator().manual_seed(seed))
    mean, columns = mean.to(train.device), columns.to(train.device)
    return lambda x: (x.flatten(1) - mean) @ columns, own


def new_decoder(dataset: str, k: int, seed: int) -> nn.Module:
    """The decoder y (B, k) -> x_hat (B, C, H, W) that every encoder gets: that of `MODEL`, untrained."""
    return models.build(MODEL, dataset, k, seed=seed).decoder


def fit(decoder: nn.Module, y: Tensor, images: Images, recipe: Recipe, seed: int = 0, precision: str = "fp32") -> None:
    """Train a decoder in place to draw the images (N, C, H, W) from their codes y (N, k), by the recipe's L1.

    The batches are those that a run of the recipe with this seed has. In evaluation mode afterwards.
    """
    decoder.train()
    set_training(decoder, precision)
    optimizer = make_optimizer(decoder, recipe)
    with strict_float32(images.device), denormals_as_zero():
        for epoch in range(1, recipe.epochs + 1):
            optimizer.param_groups[0]["lr"] = recipe.learning_rate(epoch)
            for index in shuffled(len(images), recipe.batch_size, seed, epoch, recipe.drop_last):
                index = index.to(images.pixels.device)
                optimizer.zero_grad(set_to_none=True)
                losses.reconstruction(images.batch(index), decoder(y[index])).backward()
                optimizer.step()
    decoder.eval()


@torch.no_grad()
def l1(decoder: nn.Module, y: Tensor, images: Images) -> float:
    """The mean absolute error per pixel value over all images (N, C, H, W), drawn from y (N, k)."""
    with strict_float32(images.device):
        parts = zip(y.split(BATCH), images.batches(BATCH), strict=True)
        each = [(decoder(code) - x).abs().flatten(1).sum(1) for code, x in parts]
    return float(torch.cat(each).cpu().double().sum()) / images.pixels.numel()


def redraw(
    encoder: Encoder, train: Images, test: Images, dataset: str, recipe: Recipe, seed: int, precision: str
) -> tuple[float, float]:
    """The L1 of all training and all test images, drawn by a new decoder from the encoder's whitened codes.

    Args:
        encoder: x (B, C, H, W) -> (B, k), on the device of the images.
        train: what the decoder is trained on, and the codes are whitened by.
        test: other images.
        dataset: whose decoder is taken.
        recipe: how it is trained.
        seed: of its first weights and the order of the batches.
        precision: `fp32` or `bf16`, while it trains.

    Raises:
        ResultError: the codes, or the reconstructions, are not finite.
    """
    y, y_test = encoded(encoder, train), encoded(encoder, test)
    if not (y.isfinite().all() and y_test.isfinite().all()):
        raise ResultError("the codes are not finite; there is nothing to draw")
    mean, matrix = whitening(y)
    y, y_test = ((part - mean) @ matrix for part in (y, y_test))
    decoder = new_decoder(dataset, y.shape[1], seed).to(train.device)
    fit(decoder, y, train, recipe, seed, precision)
    found = l1(decoder, y, train), l1(decoder, y_test, test)
    if not torch.tensor(found).isfinite().all():
        raise ResultError("the reconstructions are not finite; a smaller learning rate may help")
    return found


def measure(
    rows, root: str | os.PathLike, train: Images, test: Images, path: str | os.PathLike, epochs: int = 0
) -> Iterator[dict[str, Any]]:
    """A new decoder for every run's encoder, and for each that is not trained; one record each, `COLUMNS`.

    Those are the runs' models with their first weights, and `LINEAR`, at each bottleneck and seed of the runs. Records
    are written to `path` as soon as they are there. What it holds already is not measured again, unless the code that
    measures has changed, or no commit held that code and one does now.

    Args:
        rows: finished rows of networks, of one data set and preset; none is no record.
        root: the data set's folder of runs that they come from.
        train: its training images, with the device to use (`Images.to`).
        test: its test images.
        path: a CSV.
        epochs: of the new decoder, 0 for the recipe's own.

    Raises:
        ResultError: `path` has other columns, or a network's codes or reconstructions are not finite; it is named.
    """
    if rows.empty:
        return
    modules = [file for file in results.modules_of(Path(__file__)) if file.stem != "publishing"]
    kept = Kept(path, COLUMNS, WHAT, [Path(__file__), *modules])
    dataset, precision = rows["dataset"].iloc[0], pick_precision("auto", train)
    recipe = settings.find_recipe(dataset, MODEL, RECIPE)
    recipe = recipe.scaled(epochs) if epochs else recipe

    def both(job: Mapping[str, Any]) -> dict[str, float]:
        k, kind, seed = job["bottleneck"], job["model"], job["seed"]
        try:
            if kind in LINEAR:
                encoder, own = linear(kind, train, test, k, seed)
            elif job["recipe"] == UNTRAINED:
                encoder = models.build(kind, dataset, k, seed=seed).to(train.device).eval().encode
                own = [math.nan, math.nan]
            else:
                network = models.load(results.folder_of(job, root)).to(train.device)
                encoder, own = network.encode, [evaluate(network, part) for part in (train, test)]
            new = redraw(encoder, train, test, dataset, recipe, seed, precision)
        except (ResultError, TrainingError) as error:
            raise ResultError(f"{' '.join(str(job[name]) for name in PLACE)}: {error}") from error
        return dict(zip(("own_train_l1", "own_test_l1", "train_l1", "test_l1"), (*own, *new), strict=True))

    known = rows.sort_values(["bottleneck", "seed"], kind="stable").assign(finished_at=publishing.NOT_TRAINED)
    first = known.drop_duplicates(["model", "bottleneck", "seed"]).assign(recipe=UNTRAINED)
    places = known.drop_duplicates(["bottleneck", "seed"]).assign(recipe="linear").to_dict("records")
    others = [*first.to_dict("records"), *({**place, "model": kind} for place in places for kind in LINEAR)]
    for job in [*rows.to_dict("records"), *others]:
        asked = {name: job[name] for name in (*PLACE, "preset")} | {"run_finished_at": job["finished_at"]}
        asked |= {"epochs": recipe.epochs, "train_images": len(train), "test_images": len(test)}
        asked |= {"device": train.device.type, "precision": precision}
        yield kept.record(asked, partial(both, job))


def title_of(model: str, recipe: str) -> str:
    """The label of an encoder.

    Example:
        >>> title_of("classic", "late"), title_of("classic", UNTRAINED), title_of("random", "linear")
        ('classic, late decay', 'classic, untrained', 'random projection')
    """
    if recipe == UNTRAINED:
        return f"{curve_title(model, 'paper')}, {UNTRAINED}"
    return LINEAR.get(model) or curve_title(model, recipe)


def means(table):
    """Means over seeds of a table of `COLUMNS`, by bottleneck and curve; those of `LINEAR` are curves, too.

    Returns:
        A table with the columns seeds, own_test_l1, test_l1, own_train_l1 and train_l1, sorted by bottleneck and
        test_l1.
    """
    table = table.assign(curve=list(map(title_of, table["model"], table["recipe"])))
    groups = table.groupby(["bottleneck", "curve"], sort=False)
    measured = ["own_test_l1", "test_l1", "own_train_l1", "train_l1"]
    found = groups[measured].mean().assign(seeds=groups.size())
    return found[["seeds", *measured]].sort_values(["bottleneck", "test_l1"])


def publish(table, folder: str | os.PathLike = PROJECT / "results") -> None:
    """Add a table of `measure`'s records to `results/fresh_<dataset>.csv`, in the place of earlier ones of these runs.

    The runs need not be the published ones, but must have ended with the same test L1, within 1 %
    (`publishing.AGAIN`): then they are those, made again.

    Raises ResultError, and writes nothing, for what `publishing.merged` refuses, for decoders with epochs of their own,
    and if then not all would be of as many images and of one state of the code.
    """
    path, both = publishing.merged(table, "fresh", COLUMNS, PLACE, WHAT, folder, again=True)
    if (both[["code", "train_images", "test_images"]].nunique() > 1).any():
        raise ResultError(f"{path} would be of several numbers of images or states of the code; measure all anew")
    if (both["epochs"] != settings.find_recipe(both["dataset"].iloc[0], MODEL, RECIPE).epochs).any():
        raise ResultError("these decoders had epochs of their own; publish those of the whole recipe alone")
    publishing.write_table(both, path)


def published(dataset: str, folder: str | os.PathLike = PROJECT / "results"):
    """The published records of a data set, columns `COLUMNS`; empty if there are none.

    Raises ResultError if the file has other columns.
    """
    return publishing.read_table(Path(folder) / f"fresh_{dataset}.csv", COLUMNS, WHAT)
