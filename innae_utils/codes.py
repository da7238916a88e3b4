"""Encoder or decoder? A reconstruction against the best one that the same decoder could have drawn.

The loss of an autoencoder has two parts. Some images its decoder cannot draw, whatever numbers it is given; and where
it could, the encoder may give it worse numbers than there are. The best numbers of an image are found by gradient
descent, the network's weights as they are; what is left of the loss then is the decoder's, what went away the
encoder's. In variational autoencoders the second part is called the amortisation gap.

References: the paper's hypothesis, section 4 (depth loses information); Cremer, Li and Duvenaud, Inference
    Suboptimality in Variational Autoencoders (ICML 2018).
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from innae_utils import models, results
from innae_utils.data import Images
from innae_utils.results import ResultError
from innae_utils.settings import PROJECT, curve_title
from innae_utils.sweeps import Sweep
from innae_utils.train import strict_float32

STEPS = 500
RATE = 0.2  # of Adam, in standard deviations of each number of the code over the images; falls to 0 in a straight line
SMALLEST = (
    0.1  # such a standard deviation counts as at least this share of their root mean square: unused numbers move, too
)
PLACE = ("dataset", "model", "recipe", "bottleneck", "seed", "preset", "split")
COLUMNS = (*PLACE, "images", "steps", "encoder_l1", "best_l1", "run_finished_at", "device", "commit")


def best_codes(model: nn.Module, x: Tensor, steps: int = STEPS, rate: float = RATE) -> Tensor:
    """The codes whose reconstructions are nearest to x in L1, as far as so many steps of Adam find them.

    The search starts at the encoder's codes and keeps the best of all steps for every image, so that none is worse than
    the encoder's. It may end above the minimum, never below: the decoder's part of the loss is at most what is found,
    the encoder's at least.

    Args:
        model: with `encode`, (B, C, H, W) -> (B, k), and `decode` back; its weights and gradients stay as they are.
        x: (B, C, H, W), two images or more, since the steps are in standard deviations of their codes.
        steps: of Adam; 0 gives the encoder's codes.
        rate: the first learning rate; it falls to 0 in a straight line.

    Returns:
        y, (B, k), without a gradient.
    """
    with torch.no_grad():
        start = model.encode(x)
        spread = start.std(dim=0, keepdim=True)
        scale = spread.clamp_min(SMALLEST * float(spread.square().mean().sqrt()))
    moved = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([moved], lr=rate)
    best, lowest = start.clone(), torch.full((len(x),), math.inf, device=x.device, dtype=x.dtype)
    for done in range(steps + 1):
        y = start + scale * moved
        losses = (model.decode(y) - x).abs().flatten(1).mean(dim=1)
        better = losses.detach() < lowest
        best[better], lowest[better] = y.detach()[better], losses.detach()[better]
        if done < steps:
            (moved.grad,) = torch.autograd.grad(losses.sum(), moved)  # the weights get none
            optimizer.param_groups[0]["lr"] = rate * (1 - done / steps)
            optimizer.step()
    return best


def split_loss(model: nn.Module, x: Tensor, steps: int = STEPS, batch_size: int = 100) -> tuple[float, float]:
    """L1 of x (N, C, H, W) with the encoder's codes, and with the best ones found: means per pixel value, float32."""
    model.eval()
    sums = [0.0, 0.0]
    with strict_float32(x.device):
        for part in x.tensor_split(-(-len(x) // batch_size)):  # of about one size: none of a single image
            for n, y in enumerate((None, best_codes(model, part, steps))):
                with torch.no_grad():
                    x_hat = model(part) if y is None else model.decode(y)
                sums[n] += float((x_hat - part).abs().double().sum())
    return sums[0] / x.numel(), sums[1] / x.numel()


def some(images: Images, count: int) -> Tensor:
    """A few images (count, C, H, W), or all if there are no more: drawn at random, but the same for every model."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:count]
    return images.batch(chosen.sort().values.to(images.pixels.device))


def finished(sweep: Sweep):
    """The rows of those runs of a sweep that have finished, at the size that the authors gave each model."""
    rows = results.gather(sweep.run_folder)
    rows = results.uncut(results.at_size(rows[rows["preset"] == sweep.preset], sweep.dataset))
    jobs = zip(rows["model"], rows["recipe"], rows["bottleneck"], rows["seed"], strict=True)
    return rows.loc[[job in sweep.jobs for job in jobs]]  # with .loc also of no rows at all


def measure(
    rows, root: str | os.PathLike, x: Mapping[str, Tensor], path: Path, steps: int = STEPS
) -> Iterator[dict[str, Any]]:
    """Split the loss of every run, on every split of the images; one record each, `COLUMNS`.

    Records are written to `path` as soon as they are there, and what it holds already is not measured again.

    Args:
        rows: finished rows of one data set, of networks.
        root: the data set's folder of runs that they come from.
        x: images (N, C, H, W) of each split, on the device to use.
        path: a CSV.
        steps: of `best_codes`.
    """
    import pandas as pd

    known = pd.read_csv(path).to_dict("records") if path.exists() else []
    for row in rows.to_dict("records"):
        for split, images in x.items():
            wanted = {name: row[name] for name in PLACE if name != "split"} | {"split": split}
            wanted |= {"images": len(images), "steps": steps, "run_finished_at": row["finished_at"]}
            wanted |= {"device": images.device.type}
            record = next((r for r in known if all(r[name] == value for name, value in wanted.items())), None)
            if record is None:
                network, made_by = models.load(results.folder_of(row, root)).to(images.device), results.commit()
                encoder_l1, best_l1 = split_loss(network, images, steps)
                found = {**wanted, "encoder_l1": encoder_l1, "best_l1": best_l1, "commit": made_by}
                record = {name: found[name] for name in COLUMNS}
                known.append(record)
                path.parent.mkdir(parents=True, exist_ok=True)
                with results.replacing(path) as part:
                    pd.DataFrame(known, columns=list(COLUMNS)).to_csv(part, index=False)
            yield record


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


def publish(path: str | os.PathLike, folder: str | os.PathLike = PROJECT / "results") -> None:
    """Add the records of a CSV of `measure` to `results/codes_<dataset>.csv`, in the place of earlier ones.

    Raises ResultError if one is quick, or made by code that no commit holds. Nothing is written then.
    """
    import pandas as pd

    table = pd.read_csv(path)
    if not (table["preset"] == "full").all():
        raise ResultError(f"{path} is quick and not a result; publish full ones alone")
    if not table["commit"].map(results.is_commit).all():
        raise ResultError(f"{path} was made by code that no commit holds; commit it and run again")
    kept = Path(folder) / f"codes_{table['dataset'].iloc[0]}.csv"
    both = pd.concat([pd.read_csv(kept), table]) if kept.exists() else table
    both = both.drop_duplicates([*PLACE], keep="last").sort_values([*PLACE])
    with results.replacing(kept) as part:
        both.to_csv(part, index=False)


def published(dataset: str, folder: str | os.PathLike = PROJECT / "results"):
    """The published records of a data set, columns `COLUMNS`; empty if there are none."""
    import pandas as pd

    path = Path(folder) / f"codes_{dataset}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))
