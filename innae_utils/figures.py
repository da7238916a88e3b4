"""Figures 5 and 6: tidy DataFrames and arrays in, a Figure out; only `save` writes files, none is read.

References: figures 5 and 6 of the paper.
"""

import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from innae_utils import models, settings
from innae_utils.results import SATURATION_TOLERANCE, replacing, saturation, strip

STYLE = Path(__file__).with_name("innae.mplstyle")
_MODEL_OF = {  # of each curve, in the order of the legend; a curve keeps its colour in every figure
    settings.curve_title(model, recipe): model
    for model, recipe in (
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"), ("classic_1024", "paper"),
        ("classic_2048", "paper"), ("classic_deep", "paper"), ("classic_1024", "late"), ("classic_2048", "late"),
        ("classic_deep", "late"), ("inn_vae", "paper"), ("classic_vae", "paper"), ("classic_mmd", "paper"),
        ("classic_vae", "late"), ("classic_mmd", "late"),
        ("inn", "no_padding"), ("classic", "tuned"), ("classic_1024", "borrowed"), ("classic_2048", "borrowed"),
        ("classic_deep", "borrowed"), ("inn", "tuned"), ("classic_leaky", "paper"), ("classic_leaky", "late"),
        ("classic_leaky", "borrowed"), ("inn_relu", "paper"), ("classic_leaky", "tuned"),
        ("inn", "double_lr"), ("inn_thesis", "paper"),
        ("classic_1024_leaky", "paper"), ("classic_1024_leaky", "late"), ("classic_1024_leaky", "borrowed"),
        ("classic_deep_leaky", "paper"), ("classic_deep_leaky", "late"), ("classic_deep_leaky", "borrowed"),
        ("inn_double_depth", "paper"), ("inn_double_depth", "double_lr"),
        ("classic_double_depth", "paper"), ("classic_double_depth", "late"), ("classic_double_depth", "borrowed"),
        ("classic_leaky_double_depth", "paper"), ("classic_leaky_double_depth", "late"),
        ("classic_leaky_double_depth", "borrowed"), ("classic_residual_double_depth", "paper"),
        ("classic_residual_double_depth", "late"), ("classic_residual_double_depth", "borrowed"),
        *((f"classic{kind}", "double_schedule") for kind in (
            "", "_1024", "_2048", "_deep", "_leaky", "_1024_leaky", "_deep_leaky", "_double_depth",
            "_leaky_double_depth", "_residual_double_depth",
        )),
        ("inn_relu", "no_padding"), ("inn_relu", "double_lr"),
        ("inn_double_depth", "no_padding"), ("inn_thesis", "no_padding"), ("inn_thesis", "double_lr"),
    )
}  # fmt: skip
CURVES = list(_MODEL_OF)
_APART = (*settings.VARIATIONAL, *(m for m in settings.VARIANTS if m not in ("classic_leaky", "inn_relu")))
ELSEWHERE = {
    curve for curve, model in _MODEL_OF.items() if model in _APART or curve == settings.curve_title("inn", "no_padding")
}
FASTER = settings.curve_title("inn", "double_lr")
PCA = settings.MODEL_TITLES["pca"]
SHEET = ("mnist", "cifar10", "celeba")  # the rows of the paper's figure 5; LFW takes CelebA's place: `sheet_of`
SHORT_LEGEND, LEGEND_COLUMNS = 7, 3  # the most entries of a legend within a panel; else it lies below, in columns
PAPER = "0.45"  # the paper's curves are grey, told apart by dashes and markers
PAPER_LINES = {
    "inn": ("-", "D"), "classic": ((0, (5, 1.5)), "s"), "classic_1024": ((0, (2, 1)), "^"),
    "classic_2048": ((0, (1, 1)), "v"), "classic_deep": ((0, (6, 1, 1, 1)), "x"),
}  # fmt: skip


class FigureError(ValueError):
    """The rows do not make one honest figure; the message says why."""


def save(figure: Figure, folder: str | os.PathLike, name: str) -> list[Path]:
    """Write a figure as PDF (text stays text) and PNG, each whole or not at all; the two paths.

    Args:
        figure: what to write.
        folder: made if it is not there.
        name: of the files without their ending; may begin with folders.

    A figure drawn again from the same rows gives the same bytes: no date is stored.
    """
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("pdf", "png")]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        with replacing(path) as part:
            figure.savefig(part, metadata={"CreationDate": None} if path.suffix == ".pdf" else {})
    return paths


def write_below(figure: Figure, said: str) -> None:
    """A caption below a figure, as wide as it is."""
    width = int(19.8 * figure.get_figwidth())
    figure.supxlabel(textwrap.fill(said, width), x=0.01, ha="left", fontsize=7, linespacing=1.35)


# ---- curves ----------------------------------------------------------------------------------------------------


def with_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `curve`, the label of the curve that each belongs to.

    The label names the image size of a run that saw images of another size than its data set's own.
    """
    labels = []
    for row in rows.to_dict("records"):
        size = "" if row["model"] == "pca" else row.get("image_size", "")
        size = settings.size_suffix(row["dataset"], row["model"], size).strip("_") if size else ""
        labels.append(", ".join(filter(None, (settings.curve_title(row["model"], row.get("recipe", "paper")), size))))
    return rows.assign(curve=pd.Series(labels, index=rows.index, dtype="object"))


def without_size(curve: str) -> str:
    """A curve's label without an image size."""
    return re.sub(r", \d+x\d+$", "", curve)


def base(curve: str) -> str:
    """A curve's label without an image size and what a run has set itself; curves that differ in these share a colour.

    Example:
        >>> base("classic, late decay, 156x128"), base("INN VAE, 10 epochs, mmd x 0.1")
        ('classic, late decay', 'INN VAE')
    """
    return re.sub(r", (\d+ epochs|[a-z ]+ x [0-9.e+-]+)(?=,|$)", "", without_size(curve))


def drawn(rows: pd.DataFrame) -> list[str]:
    """The curves that figure 5 draws of these rows, in the order of the legend: those of `CURVES`.

    Runs with epochs, weights or an image size of their own make curves of their own, drawn beside their recipe's.

    Those with pictures or tables of their own elsewhere (variational models, the ablation, twice the depth, wider and
    deeper ones with leaky ReLUs) are drawn only if there are no others.
    """
    found = {curve for curve in with_curves(rows)["curve"] if base(curve) in CURVES}
    found = {curve for curve in found if base(curve) not in ELSEWHERE} or found
    return in_legend_order(found)


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that figure 5 draws of these (`drawn`), PCA's among them."""
    curves = set(drawn(rows[rows["model"] != "pca"]))
    return rows[with_curves(rows)["curve"].isin(curves) | (rows["model"] == "pca")]


def of_the_paper(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's own curves: its models at its settings, CIFAR-10's INN as in the thesis, PCA."""
    panel = [(name, model) for name, known in settings.DATASETS.items() for model in (*known.models, settings.THESIS)]
    its_own = pd.MultiIndex.from_frame(rows[["dataset", "model"]]).isin(panel)
    return rows[its_own & (rows["recipe"] == "paper") | (rows["model"] == "pca")]


def in_legend_order(curves: Iterable[str]) -> list[str]:
    """Labels in the order of `CURVES`; runs with settings of their own behind their recipe's, by their numbers.

    Example:
        >>> in_legend_order({"classic", "INN, 10 epochs", "INN, 5 epochs", "INN"})
        ['INN', 'INN, 5 epochs', 'INN, 10 epochs', 'classic']
    """
    return sorted(curves, key=lambda curve: (CURVES.index(base(curve)), _numbers(curve), curve))


def _numbers(curve: str) -> list[float]:
    """The numbers in a label, so that 5 epochs come before 10."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", curve)]


def told_apart(curve: str, curves: Sequence[str]) -> dict[str, Any]:
    """Other markers and dashes for a recipe's second, third, ... curve with settings of its own, among those drawn.

    Example:
        >>> told_apart("INN, 9 epochs", ["INN", "INN, 5 epochs", "INN, 9 epochs"]), told_apart("INN", ["INN"])
        ({'marker': 'v', 'linestyle': (0, (4, 1))}, {})
    """
    alike = [other for other in curves if base(other) == base(curve) and other != base(other)]
    place = alike.index(curve) if curve in alike else 0
    looks = [("v", (0, (4, 1))), ("D", (0, (2, 1))), ("P", (0, (1, 1)))]
    return dict(zip(("marker", "linestyle"), looks[min(place, 3) - 1], strict=True)) if place else {}


def only(rows: pd.DataFrame, models: Iterable[str] = (), recipes: Iterable[str] = ()) -> pd.DataFrame:
    """The rows of these models and recipes, of all if none is named; runs with epochs or weights of their own are among
    their recipe's.

    PCA stays: it is the line to compare with.
    """
    keep = pd.Series(True, index=rows.index)
    if models := list(models):
        keep &= rows["model"].isin(models)
    if recipes := list(recipes):
        keep &= rows["recipe"].map(lambda recipe: settings.split_name(recipe)[0] in recipes).astype(bool)
    return rows[keep | (rows["model"] == "pca")]


def colour_of(curve: str) -> str:
    """The colour of a curve, by its place among all curves: the same in every figure."""
    cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    return cycle[CURVES.index(base(curve)) % len(cycle)]


def marker_of(curve: str) -> dict[str, Any]:
    """The marker of a curve, by its settings: a dot, a square for one late drop, a star for what a study has found, a
    triangle for twice the schedule.

    Example:
        >>> marker_of("classic"), marker_of("classic 1024, tuned for classic")["marker"]
        ({'marker': 'o'}, '*')
    """
    own = curve != base(curve)  # its face is white
    if re.search(r", tuned\b", curve):
        edge = {} if own else {"markeredgecolor": "white", "markeredgewidth": 0.5}
        return {"marker": "*", "markersize": 9, **edge}
    if curve == FASTER:
        return {"marker": "o", "markersize": 4, "markeredgecolor": "white", "markeredgewidth": 0.5}
    if ", twice the schedule" in curve:
        return {"marker": "v", "markersize": 5}
    return {"marker": "s" if ", late decay" in curve else "o"}


def face_of(curve: str, dataset: str) -> str:
    """The colour inside a curve's markers: white for epochs, weights or an image size of its own."""
    plain = without_size(curve) if settings.DATASETS[dataset].shape is None else curve
    return colour_of(curve) if plain == base(curve) else "white"


def one_of(rows: pd.DataFrame, column: str) -> str:
    """The one value of a column. Raises FigureError if there is none, or more than one."""
    values = sorted(rows[column].unique())
    if len(values) != 1:
        raise FigureError(f"a figure is of one {column}, and these rows have {', '.join(values) or 'none'}")
    return values[0]


def mark(preset: str) -> str:
    """What a title says of rows that are no results."""
    return "" if preset == "full" else f" [{preset}: not a result]"


# ---- figure 5 --------------------------------------------------------------------------------------------------


def figure5(
    rows: pd.DataFrame,
    printed: pd.DataFrame | None = None,
    log: bool = False,
    picked: bool = False,
) -> Figure:
    """Panels (a) test L1 and (b) trainable parameters against the bottleneck, for one data set.

    Args:
        rows: of `results.gather` or `publishing.published`, of one data set and one preset. Lines are means over seeds,
            dotted where a bottleneck of the data set's own has no run; bands reach from the smallest to the largest
            seed. Rows of the model `pca` make the dashed reference line.
        printed: the paper's points (`publishing.read_printed`), drawn thin and grey; None for none.
        log: both axes of (a) logarithmic, and that of bottlenecks in (b).
        picked: the rows are those of a few curves (`only`), and the caption counts the runs of no others.

    Raises:
        FigureError: no rows, several data sets, or quick and full rows together.
    """
    dataset = one_of(rows, "dataset")
    if not drawn(rows[rows["model"] != "pca"]):
        raise FigureError("there is no row of a trained model to draw")
    return _panels([dataset], rows, printed, log, picked)


def sheet(rows: pd.DataFrame, printed: pd.DataFrame | None = None, log: bool = False) -> Figure:
    """The whole of figure 5: a row of two panels for each data set of the paper, whatever runs are there.

    Args: as for `figure5`, with rows of any data sets, or none at all.

    Raises:
        FigureError: quick and full rows together.
    """
    return _panels(sheet_of(rows), rows, printed, log)


def sheet_of(rows: pd.DataFrame) -> list[str]:
    """The data sets of the whole figure; LFW takes CelebA's place where there are runs of it and none of CelebA."""
    there = set(rows[rows["model"] != "pca"]["dataset"])
    faces = "lfw" if "lfw" in there and "celeba" not in there else "celeba"
    return [name for name in (faces if name == "celeba" else name for name in SHEET) if name in settings.DATASETS]


def _panels(
    datasets: Sequence[str],
    rows: pd.DataFrame,
    printed: pd.DataFrame | None,
    log: bool,
    picked: bool = False,
) -> Figure:
    """A row of two panels for each data set, and the caption below."""
    preset = one_of(rows, "preset") if len(rows) else "full"
    text = "\n".join(textwrap.fill(line, 150) for line in caption(rows, printed, datasets, picked))
    ours = [with_curves(rows[rows["dataset"] == dataset]) for dataset in datasets]
    paper = [None if printed is None else printed[printed["dataset"] == dataset] for dataset in datasets]
    strips = [strip_height(*pair) for pair in zip(ours, paper, strict=True)]
    heights = [inches for below in strips for inches in (2.75, below) if inches]
    figure = plt.figure(figsize=(7.6, sum(heights) + 0.15 * (text.count("\n") + 1) + 0.1))
    cells = figure.add_gridspec(len(heights), 2, width_ratios=(1.35, 1), height_ratios=heights)
    letters, row = iter("abcdefgh"), iter(range(len(heights)))
    for dataset, mine, theirs, height in zip(datasets, ours, paper, strips, strict=True):
        title, here = settings.DATASETS[dataset].title, next(row)
        left, right = figure.add_subplot(cells[here, 0]), figure.add_subplot(cells[here, 1])
        below = figure.add_subplot(cells[next(row), :]) if height else None
        draw_losses(left, dataset, mine, theirs, log, below)
        left.set(title=f"({next(letters)}) {title}: reconstruction{mark(preset)}", ylabel="test L1 per pixel")
        draw_parameters(right, dataset, mine, picked)
        right.set(title=f"({next(letters)}) {title}: trainable parameters", ylabel="millions")
        for axes, digit in ((left, 0.022), (right, 0.03)):
            axes.set_xlabel("bottleneck $k$")
            set_bottlenecks(axes, all_bottlenecks(dataset, mine), log, digit)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7, linespacing=1.35)
    figure.get_layout_engine().set(wspace=0.04, hspace=0.05)
    figure.draw_without_rendering()  # how large a legend is, is known only then
    for axes in figure.axes:
        make_room(axes)
    return figure


def strip_height(rows: pd.DataFrame, printed: pd.DataFrame | None) -> float:
    """Inches for a legend below the two panels of a data set; 0 if it is short enough to lie in the first of them."""
    trained, theirs = rows[rows["model"] != "pca"], set() if printed is None else set(printed["model"])
    names = {*drawn(trained), *(settings.MODEL_TITLES[model] for model in theirs)}
    count = len(names) + (len(trained) < len(rows))
    return 0.0 if count <= SHORT_LEGEND else 0.15 + 0.19 * -(-count // LEGEND_COLUMNS)


def make_room(axes: Axes, margin: float = 0.02, beside: float = 0.04, most: float = 2.5) -> None:
    """Widen the vertical limits of a drawn panel until no line runs through its legend, upper right or lower left.

    Args:
        axes: with lines that have been drawn once; without a legend, or with one outside, nothing is done.
        margin: between the legend and the lines below or above it, a share of the panel's height.
        beside: how far to the side of the legend lines are kept away, too, a share of the panel's width.
        most: the panel grows by no more than this factor.
    """
    box = axes.get_legend()
    if box is None or not box.get_in_layout():
        return
    place = box.get_window_extent().transformed(axes.transAxes.inverted())
    upper = place.y0 + place.y1 > 1
    left, right = (place.x0 - beside, 1.0) if upper else (0.0, place.x1 + beside)
    reach = 0.0  # of the lines, from the side of the panel that stays where it is
    for line in axes.lines:
        points = line.get_transform().transform(np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float))
        points = axes.transAxes.inverted().transform(points[np.isfinite(points).all(axis=1)])
        if len(points):
            across = np.linspace(left, right, 50)
            across = across[(across >= points[0, 0]) & (across <= points[-1, 0])]
            beneath = (points[:, 0] >= left) & (points[:, 0] <= right)
            inside = np.concatenate([np.interp(across, *points.T), points[beneath, 1]])
            reach = max(reach, *(inside if upper else 1 - inside), 0.0)
    factor = reach / max((place.y0 if upper else 1 - place.y1) - margin, 1e-6)
    scale = axes.yaxis.get_transform()
    bottom, top = scale.transform(np.array(axes.get_ylim()))
    height = (top - bottom) * min(max(1.0, factor), most)
    end = scale.inverted().transform(bottom + height if upper else top - height)
    axes.set_ylim(**{"top" if upper else "bottom": end})


def all_bottlenecks(dataset: str, rows: pd.DataFrame) -> list[int]:
    """The data set's own bottlenecks and those of the rows, sorted."""
    return sorted({*settings.DATASETS[dataset].bottlenecks, *map(int, rows["bottleneck"])})


def over_seeds(rows: pd.DataFrame, bottlenecks: Iterable[int]) -> pd.DataFrame:
    """Mean, min and max of the test L1 at each bottleneck, NaN where there is no row."""
    return rows.groupby("bottleneck")["test_l1"].agg(["mean", "min", "max"]).reindex(list(bottlenecks))


def draw_losses(
    axes: Axes,
    dataset: str,
    rows: pd.DataFrame,
    printed: pd.DataFrame | None,
    log: bool = False,
    strip: Axes | None = None,
) -> None:
    """Test L1 against the bottleneck: ours in colour, the paper's grey, PCA dashed, rings where ours saturate.

    The legend lies in the panel where a falling curve leaves it free, or in `strip`: axes below, whose frame is hidden.
    """
    sizes = all_bottlenecks(dataset, rows)
    known = settings.DATASETS[dataset].bottlenecks
    largest = known[-1]
    handles: dict[str, list[Line2D]] = {}
    curves = drawn(rows[rows["model"] != "pca"])
    for curve in curves:
        handles[curve], losses = draw_curve(axes, dataset, rows, curve, curves)
        if losses.count() >= len(known) / 2:
            draw_ring(axes, losses, largest, colour_of(curve))
    for model in () if printed is None else [name for name in PAPER_LINES if name in set(printed["model"])]:
        line = draw_printed(axes, printed, model, sizes)
        handles.setdefault(settings.MODEL_TITLES[model], []).extend(line)
    pca = rows[rows["model"] == "pca"]
    if len(pca):
        at = all_bottlenecks(dataset, pca)
        handles[PCA] = axes.plot(at, over_seeds(pca, at)["mean"], "--o", color="0.15", linewidth=0.9, markersize=2)
    if log:
        set_log_losses(axes)
    else:
        axes.set_ylim(0, None)
    legend(axes, handles, printed is not None and len(printed) > 0, "lower left" if log else "upper right", strip)


def draw_curve(
    axes: Axes, dataset: str, rows: pd.DataFrame, curve: str, curves: Sequence[str]
) -> tuple[list[Line2D], pd.Series]:
    """One of our curves, dotted over its gaps, with the seeds' band; its line, and its mean losses by bottleneck."""
    mine, colour = rows[rows["curve"] == curve], colour_of(curve)
    at = all_bottlenecks(dataset, mine)  # a bottleneck that only another curve has is no gap in this one
    points = over_seeds(mine, at)
    marker = marker_of(curve)  # the INN on top, but for what was trained otherwise, which a star tells apart
    face, order = face_of(curve, dataset), 2.1 if curve == settings.MODEL_TITLES["inn"] else 2.0
    order += 0.2 * (marker["marker"] == "*") + 0.4 * (curve == FASTER)  # a dot on a star: both are seen
    axes.fill_between(at, points["min"], points["max"], color=colour, alpha=0.2, linewidth=0)
    axes.vlines(at, points["min"], points["max"], color=colour, linewidth=0.8)
    marker |= {"markerfacecolor": face, **told_apart(curve, curves)}
    line = axes.plot(at, points["mean"], color=colour, zorder=order, **marker)
    for sides in gaps(points["mean"]):
        axes.plot(*zip(*sides, strict=True), ":", color=colour, linewidth=0.9, zorder=order - 0.05, gid="bridge")
    return line, points["mean"]


def draw_printed(axes: Axes, printed: pd.DataFrame, model: str, bottlenecks: Iterable[int]) -> list[Line2D]:
    """The printed curve of a model, thin and grey; its line."""
    points = over_seeds(printed[printed["model"] == model], bottlenecks)["mean"].dropna()
    dashes, marker = PAPER_LINES[model]
    style = dict(color=PAPER, linestyle=dashes, marker=marker, linewidth=0.8, markersize=2.6, markeredgewidth=0.6)
    return axes.plot(points.index, points, markerfacecolor="white", zorder=1.8, **style)  # ours lie on top


def gaps(losses: pd.Series) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    """The two points, (bottleneck, loss), beside every gap of a curve (bottleneck -> loss, sorted, NaN where not run).

    Example:
        >>> gaps(pd.Series({1: np.nan, 2: 0.3, 4: np.nan, 8: 0.2, 16: 0.1, 32: np.nan}))
        [((2, 0.3), (8, 0.2))]
    """
    points = losses.dropna().to_dict().items()
    return [(one, other) for one, other in pairwise(points) if len(losses.loc[one[0] : other[0]]) > 2]


def set_log_losses(axes: Axes) -> None:
    """A logarithmic axis of losses, with plain numbers at 1, 2 and 5 of every decade."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def number_decades(axis: Axis, limits: tuple[float, float]) -> None:
    """Plain numbers on a logarithmic axis: three a decade, or seven where it shows few decades."""
    wide = limits[1] / limits[0] > 200
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 7)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def draw_ring(axes: Axes, losses: pd.Series, largest: int, colour: str) -> None:
    """A ring around the point where a curve saturates, if it reaches the largest bottleneck and saturates before it."""
    losses = losses.dropna()
    if largest not in losses.index:
        return
    place = saturation({k: loss for k, loss in losses.items() if k <= largest})
    if place < largest:
        style = dict(markersize=9, markerfacecolor="none", markeredgecolor=colour)
        axes.plot(place, losses[place], "o", **style, gid="ring")


def legend(
    axes: Axes,
    handles: Mapping[str, Sequence[Line2D]],
    both: bool,
    place: str,
    strip: Axes | None = None,
) -> None:
    """One entry a curve: our line, and the paper's beside it; at a `place` in the panel, or across a strip below."""
    names = sorted(handles, key=lambda name: (name == PCA, CURVES.index(base(name)) if name != PCA else 0))
    lines = [tuple(handles[name]) for name in names]
    where = {"loc": place}
    if strip is not None:
        strip.set_axis_off()
        where = {"loc": "upper left", "bbox_to_anchor": (0, 1), "bbox_transform": strip.transAxes}
        where["ncols"] = LEGEND_COLUMNS
    box = axes.legend(
        lines, names, title="grey: the authors' plots" if both else None, title_fontsize=7,
        fontsize=7, columnspacing=1.2, handletextpad=0.5, handler_map={tuple: HandlerTuple(ndivide=None, pad=0.6)},
        handlelength=4.2 if both else 2.4, labelspacing=0.35, borderaxespad=0.1, alignment="left", **where,
    )  # fmt: skip
    box.set_zorder(1.5)  # below the curves: a point that lies there is seen
    box.set_in_layout(strip is None)  # its strip has been given the room


def draw_parameters(axes: Axes, dataset: str, rows: pd.DataFrame, picked: bool = False) -> None:
    """Trainable parameters of every model of a data set against the bottleneck, counted from the models themselves.

    If the rows are `picked`, of their models alone.
    A recipe has no parameters of its own: one line for all models with the same counts. The INN's line is broad, for
    where another covers it.
    """
    sizes = all_bottlenecks(dataset, rows)
    alike: dict[tuple[float, ...], list[str]] = {}
    for model, image_size in networks(dataset, rows, picked):
        (curve,) = with_curves(pd.DataFrame([{"dataset": dataset, "model": model, "image_size": image_size}]))["curve"]
        counts = tuple(models.count_parameters(model, dataset, k, image_size) / 1e6 for k in sizes)
        alike.setdefault(counts, []).append(curve)
    ends = []
    for counts, (curve, *others) in alike.items():
        broad = without_size(curve) == settings.MODEL_TITLES["inn"]
        face = face_of(curve, dataset)
        style = dict(linewidth=3.2, markersize=0) if broad else dict(linewidth=1.2, markersize=3, markerfacecolor=face)
        axes.plot(sizes, counts, "o-", color=colour_of(curve), **style)
        span = dict.fromkeys(f"{count:.3g}" for count in (counts[0], counts[-1]))
        names = ",\n".join((curve, *others))
        ends.append((counts[-1], f"{names}\n{' to '.join(span)}", colour_of(curve)))
    top = 1.08 * max(count for count, *_ in ends)
    axes.set_ylim(0, top)
    heights = spread([count / top for count, *_ in ends], gap=0.135)
    for height, (_, text, colour) in zip(heights, ends, strict=True):
        axes.text(1.02, height, text, color=colour, transform=axes.transAxes, fontsize=7, va="center", linespacing=0.95)


def networks(dataset: str, rows: pd.DataFrame, picked: bool = False) -> list[tuple[str, str]]:
    """(model, image size) of a data set: its models at their own size (""), or at those that their rows have.

    If the rows are `picked`, models without any are left out.
    """
    known = settings.DATASETS[dataset]
    unseen = () if picked or not known.shape else known.models
    found = {(model, "") for model in unseen if model not in set(rows["model"])}
    models = list(settings.MODELS[dataset] if picked else known.models)
    for row in rows[rows["model"].isin(models)].to_dict("records"):
        size = settings.size_suffix(dataset, row["model"], row.get("image_size", "")).strip("_")
        found.add((row["model"], size))
    return sorted(found, key=lambda network: (models.index(network[0]), network[1]))


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Heights of labels near their places, at least `gap` apart and within 0 to 1 where they have room.

    Example:
        >>> spread([0.5, 0.1, 0.5], gap=0.25)
        [0.5, 0.1, 0.75]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    heights = list(places)
    for before, i in pairwise(order):
        heights[i] = max(heights[i], heights[before] + gap)
    limit = 1.0
    for i in reversed(order):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - gap
    return heights


def set_bottlenecks(axes: Axes, bottlenecks: Sequence[int], log: bool, digit: float = 0.03) -> None:
    """A tick at every bottleneck, a number where there is room, and the same limits for every panel of a data set.

    `digit` is the width of a digit, as a share of the axis (`readable`).
    """
    low, high = bottlenecks[0], bottlenecks[-1]
    if log:
        axes.set_xscale("log")
        margin = (high / low) ** 0.04
        axes.set_xlim(low / margin, high * margin)
    else:
        margin = 0.04 * (high - low)
        axes.set_xlim(low - margin, high + margin)
    numbers = readable(bottlenecks, log, digit)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(FixedLocator([k for k in bottlenecks if k not in numbers]))
    axes.xaxis.set_minor_formatter(NullFormatter())


def readable(bottlenecks: Sequence[int], log: bool, digit: float = 0.03) -> list[int]:
    """The bottlenecks whose numbers fit on an axis, from the largest down.

    Args:
        bottlenecks: 1 or more.
        log: whether the axis is logarithmic.
        digit: the width of a digit, and the least room between two numbers, as a share of the axis.

    Example:
        >>> readable((2, 4, 8, 16, 32), log=False), readable((1, 2, 3, 4, 6, 8, 12), log=True)
        ([2, 4, 8, 16, 32], [1, 2, 3, 4, 6, 8, 12])
    """
    place = np.log if log else float
    length = place(max(bottlenecks)) - place(min(bottlenecks)) or 1.0
    kept: list[int] = []
    for k in sorted(bottlenecks, reverse=True):
        room = digit * (1 + (len(str(k)) + len(str(kept[-1]))) / 2) if kept else 0
        if not kept or (place(kept[-1]) - place(k)) / length >= room:
            kept.append(k)
    return kept[::-1]


# ---- caption ---------------------------------------------------------------------------------------------------


def caption(
    rows: pd.DataFrame,
    printed: pd.DataFrame | None,
    datasets: Sequence[str],
    picked: bool = False,
) -> list[str]:
    """What figure 5 does not show by itself: a paragraph on how to read it, and one a data set on its runs.

    Each data set's paragraph counts the runs that are there and missing, of its own bottlenecks, seeds and curves (if
    `picked`, of those that the rows have, the ones of a sweep's recipes), and says where runs that are drawn as one
    curve, or side by side, were not made alike.
    """
    reading = ["Lines are means over seeds, bands reach from the smallest to the largest seed."]
    theirs = [] if printed is None else printed[printed["dataset"].isin(datasets)]
    if len(theirs):
        reading.append(f"Grey: the authors' stored plots, read off (to {theirs['read_error'].max():g}).")
    within = f"the first point of a curve of ours at most {SATURATION_TOLERANCE:.0%} above its last"
    reading.append(f"Ring (no verdict): {within}; none on curves run at less than half of the bottlenecks.")
    reading.append("Parameters are counted from the networks, run or not.")
    if any(_has_gap(dataset, rows) for dataset in datasets):
        reading.insert(1, "Dotted and coloured: bottlenecks in between have not been run.")
    return [" ".join(reading), *(" ".join(_of_runs(dataset, rows, picked)) for dataset in datasets)]


def _has_gap(dataset: str, rows: pd.DataFrame) -> bool:
    """Whether a curve that is drawn of a data set lacks a bottleneck between two that it has."""
    mine = with_curves(rows[(rows["dataset"] == dataset) & (rows["model"] != "pca")])
    curves = (mine[mine["curve"] == curve] for curve in drawn(mine))
    return any(gaps(over_seeds(one, all_bottlenecks(dataset, one))["mean"]) for one in curves)


def _of_runs(dataset: str, rows: pd.DataFrame, picked: bool) -> list[str]:
    known = settings.DATASETS[dataset]
    mine = rows[(rows["dataset"] == dataset) & (rows["model"] != "pca")]
    mine = with_curves(mine[mine["model"].isin(settings.MODEL_TITLES)])
    curves = [(m, r) for m in known.models for r in known.recipes if r in settings.recipes_of(dataset, m)]
    if picked:
        seen = mine[mine["curve"].isin([curve for curve in drawn(mine) if curve == base(curve)])]
        found = list(dict.fromkeys(seen[["model", "recipe"]].itertuples(index=False, name=None)))
        curves = [(model, recipe) for model, recipe in found if recipe in known.recipes] or found
    wanted = {(*curve, k, seed) for curve, k, seed in product(curves, known.bottlenecks, known.seeds)}
    option, own = _size_option(dataset, mine)
    there = set(mine[own][["model", "recipe", "bottleneck", "seed"]].itertuples(index=False, name=None))
    beside = len(there - wanted) + int((~own).sum())
    many = "s" if len(curves) != 1 else ""
    size = f"{len(curves)} curve{many} x {len(known.bottlenecks)} bottlenecks x {len(known.seeds)} seed"
    said = [
        f"{known.title}: {len(wanted & there)} of {len(wanted)} runs there, {len(wanted - there)} missing "
        f"({size}{'s' if len(known.seeds) > 1 else ''})"
        + (f" at image size {option}" if option else "")
        + (f"; {beside} more of other seeds, settings or models" if beside else "") + "."
    ]  # fmt: skip
    said += _of_images(known, mine)
    if dataset == "lfw":
        said.append("LFW stands in CelebA's place; the paper has no curve of it.")
    seen = mine["curve"].isin(drawn(mine))
    rest, mine = mine[~seen], mine[seen]
    partly = rest["model"].isin(mine["model"])
    hidden = sorted({*rest.loc[~partly, "model"].map(settings.MODEL_TITLES), *rest.loc[partly, "curve"]})
    said += [f"Not drawn: {'; '.join(hidden)}."] if hidden else []
    for column, what in (("image_size", "Sizes of the images"), ("precision", "Precision of training")):
        values = (
            {curve: sorted(part[column].unique()) for curve, part in mine.groupby("curve")} if column in mine else {}
        )
        kinds = sorted({value for each in values.values() for value in each})
        if len(kinds) < 2:
            continue
        if max(map(len, values.values())) > 1:
            said.append(f"{what}: {' or '.join(kinds)}, each row says which.")
        else:
            alike: dict[str, list[str]] = {}
            for curve in drawn(mine):
                (value,) = values[curve]
                if value != curve.split(", ")[-1]:  # its label says it
                    alike.setdefault(value, []).append(curve)
            said.append(f"{what}: {'; '.join(f'{value} ({joined(of)})' for value, of in alike.items())}.")
    commits = mine.groupby("curve")["commit"].nunique() if "commit" in mine else pd.Series(dtype=int)
    said += ["Made by more than one commit, which the rows name."] if (commits > 1).any() else []
    return said


def joined(names: Sequence[str]) -> str:
    """Names as a sentence has them; those with a comma of their own apart by semicolons.

    Example:
        >>> joined(["a"]), joined(["a", "b", "c"]), joined(["a, b", "c"])
        ('a', 'a, b, c', 'a, b; c')
    """
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _size_option(dataset: str, mine: pd.DataFrame) -> tuple[str, pd.Series]:
    """The option `image_size` that most rows were made with, "" for a data set that has none, and which rows were."""
    if dataset not in settings.COMMON or "image_size" not in mine or mine.empty:
        return "", pd.Series(True, index=mine.index)
    matches = {}
    for option in settings.SIZES:
        sizes = {model: settings.size_of(settings.spec_of(dataset, model, option)) for model in set(mine["model"])}
        of_option = [size in ("", sizes[model]) for model, size in zip(mine["model"], mine["image_size"], strict=True)]
        matches[option] = pd.Series(of_option, index=mine.index, dtype=bool)
    option = max(matches, key=lambda name: matches[name].sum())
    return option, matches[option]


def _of_images(known: settings.Dataset, mine: pd.DataFrame) -> list[str]:
    """How many images the runs saw, where that is not the whole data set."""
    counts = [column for column in ("train_images", "test_images") if column in mine]
    if not known.images or len(counts) < 2:
        return []
    seen = mine[counts].drop_duplicates().astype(int).sort_values(counts).to_records(index=False).tolist()
    if all(pair == tuple(known.images) for pair in seen):
        return []
    each = " or ".join(f"{train:,} images and tested on {test:,}" for train, test in seen)
    return [f"Trained on {each}."]


# ---- figure 6 --------------------------------------------------------------------------------------------------


def figure6(
    reconstructions: Mapping[str, Mapping[str, np.ndarray]], title: str = "", count: int = 6, across: int = 2
) -> Figure:
    """Reconstruction and difference, a block a curve, below their input: the same test images for all.

    Args:
        reconstructions: block title -> {`x`, `x_hat`}, each (n, C, H, W), x in [0, 1]. Blocks may differ in H and W.
        title: above the whole figure; how the difference is drawn is said below it.
        count: how many images a block shows.
        across: blocks beside each other; the input stands above the first ones, and again where the size changes.

    Raises:
        FigureError: no block, or blocks of one size with different images.
    """
    blocks = list(reconstructions.items())
    if not blocks:
        raise FigureError("there is no run to show reconstructions of")
    first: dict[tuple[int, ...], tuple[str, np.ndarray]] = {}
    for name, block in blocks:
        other, x = first.setdefault(block["x"].shape[1:], (name, block["x"]))
        if len(x) != len(block["x"]) or np.abs(x - block["x"]).max() > 1 / 255:
            raise FigureError(f"{name} and {other} were recorded on different images")
    across, largest = min(across, len(blocks)), largest_difference(reconstructions.values(), count)
    bands = [blocks[first : first + across] for first in range(0, len(blocks), across)]
    sizes = [[block["x"].shape for _, block in band] for band in bands]
    inputs = [int(i == 0 or sizes[i] != sizes[i - 1][: len(sizes[i])]) for i in range(len(bands))]  # rows: 1 or none
    _, channels, height, width = sizes[0][0]
    count = min(count, sizes[0][0][0])
    strips = (7.6 - 1.0) / across * height / (count * width)
    names = [name for above in inputs for name in ("input", "reconstruction", "difference")[1 - above :]]
    size = (7.6, len(names) * (strips + 0.04) + 0.25 * len(bands) + 0.5)
    figure, grid = plt.subplots(len(names), across, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.grid(False)
    row = 0
    for band, above in zip(bands, inputs, strict=True):
        for column, (name, block) in zip(grid[row:].T, band, strict=False):
            if above:
                column[0].imshow(strip(block["x"][:count]), vmin=0, vmax=1)
            draw_block(column[above : above + 2], block["x"][:count], block["x_hat"][:count], largest)
            column[above].set_title(name)
        row += above + 2
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.get_layout_engine().set(wspace=0.03, hspace=0.02)
    if title:
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    figure.supxlabel(difference_told(channels, largest), x=0.01, ha="left", fontsize=7)
    return figure


def error_by_row(
    reconstructions: Mapping[tuple[str, int], Mapping[str, np.ndarray]], most: int = 4, seed: int | None = None
) -> Figure:
    """Mean |x - x_hat| in every row of the images: a panel a curve, a line a bottleneck, the darker, the larger.

    A white dot marks the rows of the first colour that an INN keeps whole before it is trained: it starts as the
    identity, and its first k numbers are the uppermost pixels. Where a line rises behind its dot, what the INN keeps is
    still mostly these.

    Args:
        reconstructions: (curve, bottleneck) -> {`x`, `x_hat`}, each (n, C, H, W).
        most: how many bottlenecks a panel shows, of the largest; each has one shade in all panels.
        seed: named in the caption.

    Raises:
        FigureError: no reconstructions.
    """
    if not reconstructions:
        raise FigureError("there is no run to show the errors of")
    curves = in_legend_order({curve for curve, _ in reconstructions})
    figure, panels = plt.subplots(1, len(curves), figsize=(7.6, 3.1), sharey=True, squeeze=False)
    shown = {curve: sorted(k for name, k in reconstructions if name == curve)[-most:] for curve in curves}
    all_sizes = sorted({k for sizes in shown.values() for k in sizes})
    dotted, highest = False, 0.0
    for axes, (curve, sizes) in zip(panels[0], shown.items(), strict=True):
        model = _MODEL_OF[base(curve)]
        starts_with_pixels = settings.family(model) == "inn" and model != settings.THESIS
        for k in sizes:
            block = reconstructions[curve, k]
            shade = (all_sizes.index(k) + 1) / len(all_sizes)
            style = {"color": colour_of(curve), "alpha": 0.25 + 0.75 * shade}
            errors = np.abs(block["x"] - block["x_hat"]).mean((0, 1, 3))
            highest = max(highest, errors.max())
            rows, kept = np.arange(1, len(errors) + 1), k // block["x"].shape[3]
            axes.plot(rows, errors, "-", label=f"$k$ = {k}", **style)
            if starts_with_pixels and 1 <= kept <= len(errors):
                axes.plot(kept, errors[kept - 1], "o", markerfacecolor="white", clip_on=False, zorder=3, **style)
                dotted = True
        axes.set(title=curve, xlabel="row of the image, from the top")
        axes.legend(fontsize=7, loc="upper left", ncols=2)
    panels[0][0].set(ylabel=r"mean $|x - \hat x|$", ylim=(0, 1.25 * highest))  # of all panels, with room for legends
    counts = {len(block["x"]) for block in reconstructions.values()}
    said = f"Means over {' or '.join(map(str, sorted(counts)))} test images, their colours and columns"
    said += f" (seed {seed}). " if seed is not None else ". "
    if dotted:
        said += "White dots: the last row of the first colour of which the INN keeps the pixels before it is trained."
    write_below(figure, said)
    return figure


def draw_block(column: Sequence[Axes], x: np.ndarray, x_hat: np.ndarray, largest: float) -> None:
    """Two strips of images (n, C, H, W): x_hat and x - x_hat, whose full colour stands for `largest`."""
    difference = (x - x_hat) / largest
    column[0].imshow(strip(x_hat), vmin=0, vmax=1)
    if x.shape[1] > 1:
        column[1].imshow(strip((difference + 1) / 2))
        return
    picture = strip((difference + 1) / 2)
    gaps = strip(np.zeros_like(x)) > 0  # white between images, and no colour of the map
    column[1].imshow(np.ma.masked_where(gaps, 2 * picture - 1), cmap="RdBu_r", vmin=-1, vmax=1)


def largest_difference(blocks: Iterable[Mapping[str, np.ndarray]], count: int) -> float:
    """What the full colour of a difference stands for: 99.5 % of all pixels of all blocks lie within it, 0.05 to 1."""
    sizes = np.concatenate([np.abs(block["x"][:count] - block["x_hat"][:count]).ravel() for block in blocks])
    return float(np.clip(np.ceil(20 * np.quantile(sizes, 0.995) - 1e-6) / 20, 0.05, 1))


def difference_told(channels: int, largest: float) -> str:
    """How the difference is drawn, in words."""
    if channels == 1:
        return (
            rf"Difference $x - \hat x$: red where the reconstruction is too dark, blue where it is too bright, "
            f"full colour at {largest:.2f} and beyond."
        )
    times = f", multiplied by {1 / largest:.3g}" if largest < 0.9 else ""
    return (
        rf"Difference $x - \hat x${times}: grey where the reconstruction is right, "
        f"full colour where it is off by {largest:.2f} or more."
    )


# ---- ours beside the paper's -----------------------------------------------------------------------------------


def against_the_paper(table: pd.DataFrame) -> Figure:
    """How far our test L1 lies above the printed one, in per cent, at every point that both have; a panel a data set.

    Dots are means over seeds, lines reach from the smallest to the largest seed; the grey bars around zero are how far
    the printed value may be off by its reading. Curves are moved aside a little, so that they do not hide each other.

    Args:
        table: of `publishing.table`.

    Raises:
        FigureError: no point is in both.
    """
    table = with_curves(table[table["difference"].notna()])
    datasets = [name for name in settings.DATASETS if name in set(table["dataset"])]
    if not datasets:
        raise FigureError("there is no point that has been both run and printed")
    points = [table[table["dataset"] == dataset] for dataset in datasets]
    figure, panels = plt.subplots(len(datasets), 1, figsize=(7.6, 2.3 * len(datasets) + 0.5), squeeze=False)
    for axes, dataset, mine in zip(panels[:, 0], datasets, points, strict=True):
        axes.axhline(0, color="0.5", linewidth=0.8)
        bottlenecks = all_bottlenecks(dataset, mine)
        aside = (max(bottlenecks) / min(bottlenecks)) ** 0.012
        curves = [curve for curve in CURVES if curve in set(mine["curve"])]
        for place, curve in enumerate(curves):
            here = mine[mine["curve"] == curve]
            x = here["bottleneck"] * aside ** (place - (len(curves) - 1) / 2)
            reading = 100 * here["read_error"] / here["paper"]
            axes.vlines(x, -reading, reading, color="0.8", linewidth=4.5, zorder=1)
            low, mean, high = (100 * (here[name] / here["paper"] - 1) for name in ("smallest", "ours", "largest"))
            axes.vlines(x, low, high, color=colour_of(curve), linewidth=1)
            axes.plot(x, mean, "o", color=colour_of(curve), label=curve)
        axes.set(title=settings.DATASETS[dataset].title, xlabel="bottleneck $k$")
        axes.set_ylabel("ours, above the\nprinted one (%)")
        set_bottlenecks(axes, bottlenecks, log=True, digit=0.022)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=7)
    said = (
        "Dots: means over seeds; lines: from the smallest to the largest seed, where there are several. Grey bars: how "
        "far the printed value may be off by its reading. Curves are moved aside a little, so that none hides another. "
        "The paper does not say how many runs a point of its own is."
        + " The INN in the order of the thesis is set beside the printed INN."
        * (settings.THESIS in set(table["model"]))
    )
    write_below(figure, said)
    return figure


# ---- the answer ------------------------------------------------------------------------------------------------


def in_one_picture(
    rows: pd.DataFrame, curves: Iterable[str], printed: pd.DataFrame | None = None, smallest: int = 1
) -> Figure:
    """A few curves of test L1 against the bottleneck in one broad panel, each with its name and last loss beside it.

    Args:
        rows: as for `figure5`, of one data set and one preset.
        curves: their labels; those without a row are left out.
        printed: the paper's points; those of the curves' own models, at the paper's settings, are drawn grey.
        smallest: bottlenecks below this one are left out.

    Raises:
        FigureError: several data sets or presets, or no row of any of the curves.
    """
    dataset, preset = one_of(rows, "dataset"), one_of(rows, "preset")
    rows = with_curves(rows)
    rows = rows[rows["curve"].isin([*curves])]
    cut_off = (rows["bottleneck"] < smallest).any()
    rows = rows[rows["bottleneck"] >= smallest]
    curves = in_legend_order({*rows["curve"]})
    if not curves:
        raise FigureError("there is no row of any of these curves to draw")
    figure, axes = plt.subplots(figsize=(7.6, 3.7))
    ends = [draw_curve(axes, dataset, rows, curve, curves)[1].dropna() for curve in curves]
    bottlenecks = [k for k in all_bottlenecks(dataset, rows) if k >= smallest]
    theirs = [] if printed is None else printed[(printed["dataset"] == dataset) & (printed["bottleneck"] >= smallest)]
    of_theirs = [model for model in PAPER_LINES if len(theirs) and settings.MODEL_TITLES[model] in curves]
    for model in of_theirs:
        draw_printed(axes, theirs, model, bottlenecks)
    axes.set_yscale("log")
    number_decades(axes.yaxis, axes.get_ylim())
    set_bottlenecks(axes, bottlenecks, log=True, digit=0.022)
    title = f"{settings.DATASETS[dataset].title}{mark(preset)}"
    axes.set(title=title, xlabel="bottleneck $k$", ylabel="test L1 per pixel")
    _name_ends(axes, dict(zip(curves, ends, strict=True)))
    dashes = {model: "solid" if PAPER_LINES[model][0] == "-" else "dashed" for model in of_theirs}
    lines = ", ".join(f"{settings.MODEL_TITLES[model]} {dash}" for model, dash in dashes.items())
    said = ["Means over seeds, bands from the smallest to the largest; beside each curve its last loss."]
    said += ["Dotted: bottlenecks in between have not been run."] * _has_gap(dataset, rows)
    said += [f"Bottlenecks below {smallest} are left out."] * bool(cut_off)
    said += [f"Grey: the authors' plots ({lines})."] * bool(of_theirs)
    longer = any("twice the schedule" in curve for curve in curves)
    said += ["Twice the schedule: twice the epochs at each learning rate."] * longer
    said += ["Late decay: one late drop of the learning rate."] * any("late decay" in curve for curve in curves)
    said += ["Tuned: the best settings of a search."] * any(curve.endswith(", tuned") for curve in curves)
    said += ["Tuned for classic: of a search for classic."] * any("tuned for classic" in curve for curve in curves)
    write_below(figure, " ".join(said))
    return figure


def _name_ends(axes: Axes, curves: Mapping[str, pd.Series]) -> None:
    """Write each curve's name and last loss beside the panel, or, if it ends before the others, below its last point.

    Args:
        axes: with its final limits.
        curves: label -> losses by bottleneck, sorted, none of them NaN.
    """
    in_panel = axes.transScale + axes.transLimits
    ends = {curve: (losses.index[-1], losses.iloc[-1]) for curve, losses in curves.items()}
    reaching = [curve for curve, (k, _) in ends.items() if k == max(k for k, _ in ends.values())]
    heights = spread([in_panel.transform(ends[curve])[1] for curve in reaching], gap=0.075)
    beside = dict(zip(reaching, heights, strict=True))
    for curve, (k, loss) in ends.items():
        colour, said = colour_of(curve), f"{curve}: {loss:.4f}"
        if curve in beside:
            line = dict(arrowstyle="-", color=colour, linewidth=0.6, shrinkA=1, shrinkB=3, relpos=(0, 0.5))
            style = dict(va="center", annotation_clip=False, arrowprops=line)
            axes.annotate(
                said, (k, loss), (1.03, beside[curve]), "data", "axes fraction", color=colour, fontsize=8, **style
            )
        else:  # a line from there to the side would look like more of it
            style = dict(ha="right", va="top", textcoords="offset points")
            axes.annotate(said, (k, loss), (-2, -5), color=colour, fontsize=8, **style)
