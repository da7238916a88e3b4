"""The variational models' pictures: arrays and DataFrames in, a Figure out; no file is read or written."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import norm

from innae_utils.results import strip

WIDTH = 7.6  # inches, as the figures of the paper here
TERMS = {"reconstruction": "reconstruction, mean $|x - \\hat x|$", "zero_padding": "zero-padding, mean $z^2$"}
TERMS["mmd"] = "distribution, MMD of $y$"


def sheet(images) -> np.ndarray:
    """Images (rows, columns, C, H, W) as one picture with white lines between them: (height, width) or (..., 3)."""
    rows = [strip(np.asarray(row)) for row in images]
    line = np.ones_like(rows[0][:1])
    return np.concatenate([part for row in rows for part in (row, line)][:-1])


def show(axes: Axes, images, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> None:
    """Draw images (rows, columns, C, H, W), with a label beside each row and above each column."""
    _, _, _, height, width = np.asarray(images).shape
    axes.imshow(sheet(images), vmin=0, vmax=1, aspect="equal")
    axes.spines[:].set_visible(False)
    axes.grid(False)
    axes.set_yticks([i * (height + 1) + height / 2 - 0.5 for i in range(len(rows))], rows)
    axes.set_xticks([i * (width + 1) + width / 2 - 0.5 for i in range(len(columns))], columns)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False, labelsize=7)


def training(histories: Mapping[str, pd.DataFrame], equal: float) -> Figure:
    """The three terms of equation (6) against the epoch, a curve a model; `equal` is what the MMD of two samples of one
    distribution comes to at the batch's size."""
    figure, grid = plt.subplots(1, 3, figsize=(WIDTH, 2.5))
    for axes, (term, title) in zip(grid, TERMS.items(), strict=True):
        for number, (name, history) in enumerate(histories.items()):
            if term in history:
                axes.plot(history["epoch"], history[term], color=f"C{number}", label=name)
        axes.set(title=title, xlabel="epoch", yscale="log" if term == "zero_padding" else "linear")
    grid[2].axhline(equal, color="0.35", linestyle="--", linewidth=0.9, label="two samples of N(0, I)")
    grid[0].legend()
    handles, labels = grid[2].get_legend_handles_labels()
    grid[2].legend(handles[-1:], labels[-1:])
    return figure


def blocks(sheets: Mapping[str, np.ndarray], across: int = 3) -> Figure:
    """Blocks of images (rows, columns, C, H, W), each under its title, `across` in a row of the figure."""
    shape = np.asarray(next(iter(sheets.values()))).shape
    down = -(-len(sheets) // across)
    panel = WIDTH / across
    tall = panel * (shape[0] * (shape[3] + 1)) / (shape[1] * (shape[4] + 1))
    figure, grid = plt.subplots(down, across, figsize=(WIDTH, down * (tall + 0.3)), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, images) in zip(grid.flat, sheets.items(), strict=False):
        axes.set_axis_on()
        show(axes, images)
        axes.set_xticks([])
        axes.set_title(title)
    return figure


def table_of_images(
    images, rows: Sequence[str], columns: Sequence[str] = (), title: str = "", wide: float = 1
) -> Figure:
    """Images (rows, columns, C, H, W) with labels, over a share of the page's width."""
    images = np.asarray(images)
    tall = WIDTH * wide * 0.85 * images.shape[0] * images.shape[3] / (images.shape[1] * images.shape[4])
    figure, axes = plt.subplots(figsize=(WIDTH * wide, tall + 0.4))
    show(axes, images, rows, columns)
    if title:
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return figure


def traversal(images, quantiles: Sequence[float], across: int = 2) -> Figure:
    """Images (k, quantiles, C, H, W): a row a coordinate, a column a quantile, the coordinates in `across` columns."""
    images = np.asarray(images)
    k = len(images)
    across = min(across, k)
    down = -(-k // across)
    cell = WIDTH / across / (images.shape[1] + 1) * images.shape[3] / images.shape[4]
    figure, grid = plt.subplots(1, across, figsize=(WIDTH, down * cell + 0.4), squeeze=False)
    for i, axes in enumerate(grid[0]):
        part = range(i * down, min(k, (i + 1) * down))
        show(axes, images[part.start : part.stop], [f"$y_{{{j + 1}}}$" for j in part], [f"{q:g}" for q in quantiles])
    return figure


def histograms(latents: Mapping[str, np.ndarray], across: int = 8, most: int = 32) -> Figure:
    """Histograms of each coordinate of y (N, k), an outline a model, against the density of N(0, 1)."""
    k = min(most, next(iter(latents.values())).shape[1])
    across = min(across, k)
    down = -(-k // across)
    figure, grid = plt.subplots(
        down, across, figsize=(WIDTH, 0.95 * down + 0.5), squeeze=False, sharex=True, sharey=True
    )
    edges = np.linspace(-4, 4, 33)
    for i, axes in enumerate(grid.flat):
        axes.set_visible(i < k)
        for number, y in enumerate(latents.values() if i < k else ()):
            axes.hist(y[:, i], edges, density=True, histtype="step", color=f"C{number}", linewidth=1.1)
        axes.plot(edges, norm.pdf(edges), "--", color="0.35", linewidth=0.9)
        axes.text(0.04, 0.95, f"$y_{{{i + 1}}}$", transform=axes.transAxes, va="top", fontsize=7)
        axes.set(yticks=[], xlim=(-4, 4), ylim=(0, 1), xticks=(-3, 0, 3))
        axes.spines["left"].set_visible(False)
    handles = [plt.Line2D([], [], color=f"C{number}") for number in range(len(latents))]
    handles.append(plt.Line2D([], [], color="0.35", linestyle="--"))
    figure.legend(handles, [*latents, "N(0, 1)"], loc="outside upper left", ncols=len(handles))
    return figure


def likelihoods(inside: np.ndarray, outside: Mapping[str, np.ndarray], scales: pd.DataFrame, used: float) -> Figure:
    """Bits per pixel value: of test images beside other kinds, and against the width that is assumed for z.

    Args:
        inside, outside: bits per pixel value of the test images, and of each other kind.
        scales: columns z_scale, bits, and model.
        used: the z_scale that everything else here is computed with.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    everything = {"test images": inside, **outside}
    low = max(min(values.min() for values in everything.values()), 0.1)
    edges = np.geomspace(low, max(values.max() for values in everything.values()), 50)
    for number, (name, values) in enumerate(everything.items()):
        kind = dict(alpha=0.5) if number == 0 else dict(histtype="step", linewidth=1.2)
        left.hist(np.maximum(values, low), edges, color=f"C{number}", label=name, **kind)
    left.set(xscale="log", xlabel="bits per pixel value", ylabel="images", title="(a) how surprising images are")
    for number, (name, part) in enumerate(scales.groupby("model", sort=False)):
        right.plot(part["z_scale"], part["bits"], color=f"C{number}", label=name)
    right.axvline(used, color="0.35", linestyle="--", linewidth=0.9, label="used here")
    right.set(xscale="log", yscale="log", xlabel="assumed width of $z$", title="(b) what the width does")
    right.set_ylabel("bits per pixel value, mean")
    for axes, axis in ((left, left.xaxis), (right, right.yaxis)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter("")
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(fontsize=7)
    return figure


def rocs(curves: Mapping[str, Mapping[str, tuple]]) -> Figure:
    """ROC curves: a panel a score, a curve a kind of image, from `generative.roc`."""
    figure, grid = plt.subplots(1, len(curves), figsize=(WIDTH, 3.9), squeeze=False, sharey=True)
    for axes, (score, kinds) in zip(grid[0], curves.items(), strict=True):
        for number, (kind, (false_alarms, hits, area)) in enumerate(kinds.items()):
            axes.plot(false_alarms, hits, color=f"C{number + 1}", label=f"{kind}, {area:.3f}")
        axes.plot((0, 1), (0, 1), ":", color="0.5", linewidth=0.9)
        axes.set(title=score, xlabel="other images taken for the test set's", aspect="equal")
        axes.legend(title="area", loc="lower right", fontsize=7, title_fontsize=7, alignment="left")
    grid[0, 0].set_ylabel("test images kept")
    return figure
