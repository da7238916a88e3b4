"""Encoder or decoder? A reconstruction against the best one that the same decoder could have drawn.

The loss of an autoencoder can be split in two. With the best numbers for its decoder, found by gradient descent for
each image, the network's weights as they are, something is left: the decoder's part. What went away is the encoder's:
there were better numbers than those it gave. In variational autoencoders that is called the amortisation gap.

It is not the same as lost information. An encoder that is wrong by a constant loses none, and all of the loss is its
part; and a decoder that was trained on numbers that lack something has learnt to draw without it.

References: Cremer, Li and Duvenaud, Inference Suboptimality in Variational Autoencoders (ICML 2018); the paper's
    hypothesis is in its section 4.
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from innae_utils import models, publishing, results
from innae_utils.data import Images
from innae_utils.publishing import Kept
from innae_utils.results import ResultError
from innae_utils.settings import PROJECT, curve_title
from innae_utils.sweeps import Sweep
from innae_utils.train import strict_float32

STEPS = 500
RATE = 0.2  # of Adam, in standard deviations of each number of the code over the images; falls to 0 in a straight line
SMALLEST = 0.1  # of their root mean square: no standard deviation counts as less, so that unused numbers move, too
PLACE = ("dataset", "model", "recipe", "bottleneck", "seed", "preset", "split")
COLUMNS = (*PLACE, "images", "steps", "encoder_l1", "best_l1", "run_finished_at", "device", "code", "commit")
WHAT = "split losses"
STARTS = ("own", "another's")  # whose code the search for an image's best one starts at
SEARCH_PLACE = (*PLACE, "start", "steps")
SEARCH_COLUMNS = (
    *PLACE, "images", "start", "steps", "encoder_l1", "best_l1", "run_finished_at", "device", "code", "commit",
)  # fmt: skip
SEARCHES = "longer searches"


def best_codes(model: nn.Module, x: Tensor, steps: int = STEPS, rate: float = RATE, start: str = STARTS[0]) -> Tensor:
    """The codes whose reconstructions are nearest to x in L1, as far as so many steps of Adam find them.

    The search starts at the encoder's codes and keeps the best of all steps for every image, so that none is worse than
    the encoder's. It may end above the minimum, never below: the decoder's part of the loss is at most what is found,
    the encoder's at least. A search that starts elsewhere tells how much hangs on that; it may end above the encoder's.

    Args:
        model: with `encode`, (B, C, H, W) -> (B, k), and `decode` back; its weights and gradients stay as they are.
        x: (B, C, H, W), two images or more, since the steps are in standard deviations of their codes.
        steps: of Adam, 0 or more; 0 gives the codes that it starts at.
        rate: the first learning rate; it falls to 0 in a straight line.
        start: "own", at each image's own code, or "another's", at that of the image before it in x (the first: at the
            last one's).

    Returns:
        y, (B, k), without a gradient.

    Raises:
        ValueError: fewer than two images, fewer than 0 steps, or another start.
    """
    if len(x) < 2 or steps < 0:
        raise ValueError(f"{len(x)} images and {steps} steps; give two images or more, and 0 steps or more")
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; allowed: {', '.join(STARTS)}")
    with torch.no_grad():
        first = model.encode(x)
        spread = first.std(dim=0, keepdim=True)
        scale = spread.clamp_min(SMALLEST * float(spread.square().mean().sqrt()) or 1.0)  # 1: all codes are the same
        if start == "another's":
            first = first.roll(1, dims=0)
    moved = torch.zeros_like(first, requires_grad=True)
    optimizer = torch.optim.Adam([moved], lr=rate)
    best, lowest = first.clone(), torch.full((len(x),), math.inf, device=x.device, dtype=x.dtype)
    for done in range(steps + 1):
        y = first + scale * moved
        losses = (model.decode(y) - x).abs().flatten(1).mean(dim=1)
        better = losses.detach() < lowest
        best[better], lowest[better] = y.detach()[better], losses.detach()[better]
        if done < steps:
            (moved.grad,) = torch.autograd.grad(losses.sum(), moved)  # the weights get none
            optimizer.param_groups[0]["lr"] = rate * (1 - done / steps)
            optimizer.step()
    return best


def split_loss(
    model: nn.Module, x: Tensor, steps: int = STEPS, batch_size: int = 100, start: str = STARTS[0]
) -> tuple[float, float]:
    """L1 of x (N, C, H, W) with the encoder's codes, and with the best ones found: means per pixel value.

    In evaluation mode and float32; the model's mode is as before afterwards. A batch has at most `batch_size` images,
    but at least two, and `start` is within it as for `best_codes`. Raises ValueError for what that refuses, ResultError
    if the L1 is not finite.
    """
    was_training, sums = model.training, [0.0, 0.0]
    model.eval()
    try:
        with strict_float32(x.device):
            for part in x.tensor_split(max(1, min(-(-len(x) // batch_size), len(x) // 2))):
                for n, y in enumerate((None, best_codes(model, part, steps, start=start))):
                    with torch.no_grad():
                        x_hat = model(part) if y is None else model.decode(y)
                    sums[n] += float((x_hat - part).abs().double().sum())
    finally:
        model.train(was_training)
    if not all(map(math.isfinite, sums)):
        raise ResultError("the reconstructions are not finite; there is nothing to split")
    return sums[0] / x.numel(), sums[1] / x.numel()


def some(images: Images, count: int) -> Tensor:
    """A few images (count, C, H, W), or all if there are no more: drawn at random, but the same for every model."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:count]
    return images.batch(chosen.sort().values.to(images.pixels.device))


def finished(sweep: Sweep):
    """The rows of those runs of a sweep that have finished, at the size that the authors gave each model."""
    rows = results.gather(sweep.run_folder)
    rows = results.uncut(results.at_size(rows[rows["preset"] == sweep.preset], sweep.dataset))
    return asked_for(rows, sweep)


def asked_for(rows, sweep: Sweep):
    """Those rows, or records, that are of a sweep's runs."""
    jobs = zip(rows["model"], rows["recipe"], rows["bottleneck"], rows["seed"], strict=True)
    return rows.loc[[job in sweep.jobs for job in jobs]]  # with .loc also of no rows at all


def measure(
    rows, root: str | os.PathLike, x: Mapping[str, Tensor], path: str | os.PathLike, steps: int = STEPS
) -> Iterator[dict[str, Any]]:
    """Split the loss of every run, on every split of the images; one record each, `COLUMNS`.

    Records are written to `path` as soon as they are there. What it holds already is not measured again, unless this
    module's code has changed, or no commit held the code and one does now.

    Args:
        rows: finished rows of one data set, of networks.
        root: the data set's folder of runs that they come from.
        x: images (N, C, H, W) of each split, on the device to use.
        path: a CSV.
        steps: of `best_codes`.

    Raises:
        ResultError: `path` has other columns, or a network's reconstructions are not finite.
        ValueError: fewer than two images, or fewer than 0 steps.
    """
    kept = Kept(path, COLUMNS, WHAT, [Path(__file__)])
    for row in rows.to_dict("records"):
        for split, images in x.items():
            yield _record(kept, row, root, images, {"split": split, "steps": steps})


def search_further(
    rows, root: str | os.PathLike, x: Tensor, split: str, path: str | os.PathLike, steps: int
) -> Iterator[dict[str, Any]]:
    """How far the search gets: once more with so many steps, from each image's own code and from another's.

    Where both end near what fewer steps had found, the search is hardly what the two parts of a loss hang on.

    Args:
        rows: finished rows of one data set, of networks.
        root: the data set's folder of runs that they come from.
        x: images (N, C, H, W) of one split, on the device to use.
        split: its name.
        path: a CSV, another than `measure`'s; records are kept in it as there.
        steps: of `best_codes`, 0 or more.

    Yields:
        Two records a run, `SEARCH_COLUMNS`.

    Raises:
        ResultError: `path` has other columns, or a network's reconstructions are not finite.
        ValueError: fewer than two images, or fewer than 0 steps.
    """
    kept = Kept(path, SEARCH_COLUMNS, SEARCHES, [Path(__file__)])
    for row in rows.to_dict("records"):
        for start in STARTS:
            yield _record(kept, row, root, x, {"split": split, "steps": steps, "start": start})


def _record(kept: Kept, row: Mapping[str, Any], root: str | os.PathLike, x: Tensor, asked: Mapping[str, Any]):
    """The record of a run's loss on x, (N, C, H, W), split as `asked`: split, steps and, if not "own", start."""
    known = {name: row[name] for name in PLACE if name != "split"} | {**asked, "images": len(x)}
    known |= {"run_finished_at": row["finished_at"], "device": x.device.type}

    def split() -> dict[str, float]:
        network = models.load(results.folder_of(row, root)).to(x.device)
        found = split_loss(network, x, asked["steps"], start=asked.get("start", STARTS[0]))
        return dict(zip(("encoder_l1", "best_l1"), found, strict=True))

    return kept.record(known, split)


def shares(table):
    """Of a table of `COLUMNS`: for each curve, bottleneck and split the means over seeds, and the encoder's share.

    Returns:
        A table indexed by curve, bottleneck and split, with the columns seeds, encoder_l1, best_l1, and encoder's
        share, 1 - best_l1 / encoder_l1: at least so much of the loss is the encoder's.
    """
    curves = [curve_title(model, recipe) for model, recipe in zip(table["model"], table["recipe"], strict=True)]
    groups = table.assign(curve=curves).groupby(["curve", "bottleneck", "split"], sort=False)
    means = groups.agg(seeds=("seed", "size"), encoder_l1=("encoder_l1", "mean"), best_l1=("best_l1", "mean"))
    return means.assign(**{"encoder's share": 1 - means["best_l1"] / means["encoder_l1"]})


def publish(table, folder: str | os.PathLike = PROJECT / "results") -> None:
    """Add a table of `measure`'s records to `results/codes_<dataset>.csv`, in the place of earlier ones of these runs.

    Raises ResultError, and writes nothing, for what `publishing.merged` refuses, or if then not all would be of as many
    images a split, and as many steps. Records of other states of this module's code stay; `code` says which.
    """
    path, both = publishing.merged(table, "codes", COLUMNS, PLACE, WHAT, folder)
    if (both.groupby("split")[["images", "steps"]].nunique() > 1).any(axis=None):
        raise ResultError(f"{path} would be of several numbers of images or steps; measure all runs with the same")
    publishing.write_table(both, path)


def publish_search(table, folder: str | os.PathLike = PROJECT / "results") -> None:
    """Add a table of `search_further`'s records to `results/search_<dataset>.csv`, in the place of earlier ones.

    Raises ResultError, and writes nothing, for what `publishing.merged` refuses.
    """
    path, both = publishing.merged(table, "search", SEARCH_COLUMNS, SEARCH_PLACE, SEARCHES, folder)
    publishing.write_table(both, path)


def published(dataset: str, folder: str | os.PathLike = PROJECT / "results"):
    """The published records of a data set, columns `COLUMNS`; empty if there are none.

    Raises ResultError if the file has other columns.
    """
    return publishing.read_table(Path(folder) / f"codes_{dataset}.csv", COLUMNS, WHAT)
