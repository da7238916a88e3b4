"""Figures 5 and 6: tidy DataFrames and arrays in, a Figure out; no file is read or written.

References: figures 5 and 6 of the paper.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from innae_utils import settings
from innae_utils.results import strip

STYLE = Path(__file__).with_name("innae.mplstyle")
CURVES = [  # in the order of the legend; a curve keeps its colour in every figure
    settings.curve_title(model, recipe)
    for model, recipe in (
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"), ("classic_1024", "paper"),
        ("classic_2048", "paper"), ("classic_deep", "paper"), ("classic_1024", "late"), ("classic_2048", "late"),
        ("classic_deep", "late"), ("inn", "no_padding"), ("classic", "tuned"),
    )
]  # fmt: skip
PCA = settings.MODEL_TITLES["pca"]


class FigureError(ValueError):
    """The rows do not make one honest figure; the message says why."""


def with_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `curve`, the label of the curve that each belongs to."""
    recipes = rows["recipe"] if "recipe" in rows else ["paper"] * len(rows)
    labels = [settings.curve_title(model, recipe) for model, recipe in zip(rows["model"], recipes, strict=True)]
    return rows.assign(curve=pd.Series(labels, index=rows.index, dtype="object"))


def figure5(rows: pd.DataFrame, paper: pd.DataFrame | None = None) -> Figure:
    """Panels (a) test L1 and (b) trainable parameters against the bottleneck, for one data set.

    Args:
        rows: rows of `results.gather`, of one data set and one preset. Lines are means over seeds, bands reach from
            the smallest to the largest seed. Rows of the model `pca` make the dashed reference line.
        paper: the paper's digitised points (columns model, bottleneck, test_l1), drawn thin; None for none.

    Raises:
        FigureError: no rows, several data sets, or quick and full rows together.
    """
    dataset, preset = one_of(rows, "dataset"), one_of(rows, "preset")
    rows = with_curves(rows)
    trained = rows[rows["model"] != "pca"].sort_values("recipe", key=lambda name: name != "paper", kind="stable")
    if trained.empty:
        raise FigureError("there is no row of a trained model to draw")
    curves = [curve for curve in CURVES if curve in set(trained["curve"])]
    colours = colours_of(curves)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1))
    style = {"hue": "curve", "hue_order": curves, "palette": colours, "marker": "o", "markeredgewidth": 0}
    sns.lineplot(trained, x="bottleneck", y="test_l1", errorbar=("pi", 100), ax=left, legend=True, **style)
    one_a_model = trained[~trained[["model", "bottleneck"]].duplicated()]  # a recipe has no parameters of its own
    sns.lineplot(one_a_model, x="bottleneck", y="n_params", errorbar=None, ax=right, legend=False, **style)
    draw_pca(left, rows[rows["model"] == "pca"])
    if paper is not None:
        draw_paper(left, with_curves(paper), colours)
    left.set_title(f"(a) {settings.DATASETS[dataset].title}: reconstruction" + mark(preset))
    right.set_title("(b) trainable parameters")
    left.set(xlabel="bottleneck $k$", ylabel="test L1 per pixel", ylim=(0, None))
    right.set(xlabel="bottleneck $k$", ylabel="parameters (millions)", xlim=left.get_xlim())
    right.set_ylim(0, 1.08 * trained["n_params"].max())
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.yaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g}")
    left.legend(title=None)
    figure.get_layout_engine().set(wspace=0.06)
    return figure


def one_of(rows: pd.DataFrame, column: str) -> str:
    """The one value of a column. Raises FigureError if there is none, or more than one."""
    values = sorted(rows[column].unique())
    if len(values) != 1:
        raise FigureError(f"a figure is of one {column}, and these rows have {', '.join(values) or 'none'}")
    return values[0]


def mark(preset: str) -> str:
    """What a title says of rows that are no results."""
    return "" if preset == "full" else f" [{preset}: not a result]"


def colours_of(curves: list[str]) -> dict[str, str]:
    """The colour of each curve, by its place among all curves."""
    cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    return {curve: cycle[CURVES.index(curve) % len(cycle)] for curve in curves}


def draw_pca(axes: Axes, rows: pd.DataFrame) -> None:
    """PCA's reconstruction as a thin dashed line."""
    rows = rows.sort_values("bottleneck")
    if len(rows):
        axes.plot(rows["bottleneck"], rows["test_l1"], "--", color="0.35", linewidth=0.9, label=PCA)


def draw_paper(axes: Axes, points: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """The paper's printed curves, thin, each in the colour of ours."""
    label = "printed in the paper"
    for curve, colour in colours.items():
        points_of = points[points["curve"] == curve].sort_values("bottleneck")
        if len(points_of):
            axes.plot(points_of["bottleneck"], points_of["test_l1"], color=colour, linewidth=0.7, alpha=0.8)
            label = axes.plot([], [], color="0.4", linewidth=0.7, label=label) and "_nolegend_"


def figure6(reconstructions: Mapping[str, Mapping[str, np.ndarray]], title: str = "", count: int = 6) -> Figure:
    """Input, reconstruction and difference, a block a curve, the same test images in each.

    Args:
        reconstructions: block title -> {`x`, `x_hat`}, each (n, C, H, W), x in [0, 1].
        title: above the whole figure.
        count: how many images a block shows.

    Raises:
        FigureError: no block, or blocks of different images.
    """
    blocks = list(reconstructions.items())
    if not blocks:
        raise FigureError("there is no run to show reconstructions of")
    first = blocks[0][1]["x"]
    for name, block in blocks[1:]:
        if not np.array_equal(block["x"], first):
            raise FigureError(f"{name} and {blocks[0][0]} were recorded on different images")
    count = min(count, len(first))
    _, _, height, width = first.shape
    panel = (7.6 - 0.9) / len(blocks)
    size = (7.6, 3 * (panel * height / (count * width) + 0.04) + 0.5)
    figure, grid = plt.subplots(3, len(blocks), figsize=size, squeeze=False)
    for column, (name, block) in enumerate(blocks):
        x, x_hat = block["x"][:count], block["x_hat"][:count]
        for axes, images in zip(grid[:, column], (x, x_hat, (x - x_hat + 1) / 2), strict=True):
            axes.imshow(strip(images), vmin=0, vmax=1, aspect="equal")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.grid(False)
        grid[0, column].set_title(name)
    for axes, name in zip(grid[:, 0], ("input", "reconstruction", "difference"), strict=True):
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.get_layout_engine().set(wspace=0.04, hspace=0.02)
    if title:
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return figure


def trials(table: pd.DataFrame) -> Figure:
    """Every trial of a tuning study against each of its four settings; the first trial, the paper's recipe, is a cross.

    Args:
        table: the columns of `tuning.COLUMNS`; trials that diverged have no L1 and are not drawn.
    """
    scales = {"lr": "log", "schedule": None, "weight_decay": "log", "epochs": "linear"}
    names = {"lr": "learning rate", "weight_decay": "weight decay", "schedule": "learning rate falls at"}
    figure, panels = plt.subplots(1, 4, figsize=(7.6, 2.8), sharey=True)
    table = table.dropna(subset="held_out_l1")
    first = table["trial"] == 0
    for axes, (column, scale) in zip(panels, scales.items(), strict=True):
        kinds = list(dict.fromkeys(sorted(table[column]))) if scale is None else None
        values = table[column].map(kinds.index) if kinds else table[column]
        axes.plot(values[~first], table["held_out_l1"][~first], "o", alpha=0.7, markeredgewidth=0)
        axes.plot(values[first], table["held_out_l1"][first], "x", color="C1", markersize=7, markeredgewidth=2)
        axes.set_xlabel(names.get(column, column))
        if kinds:
            axes.set_xticks(range(len(kinds)), [kind.replace(" and ", ", ") for kind in kinds], rotation=90)
            axes.set_xlim(-0.5, len(kinds) - 0.5)
        else:
            axes.set_xscale(scale)
        if column == "lr":  # less than two decades: powers of ten alone would be too few labels
            low, high = axes.get_xlim()
            ticks = [tick for n in range(-6, 1) for tick in (10.0**n, 3 * 10.0**n) if low <= tick <= high]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=90)
            axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("L1 on held-out images")
    return figure
