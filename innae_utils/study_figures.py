"""Figures of the studies: what they measured as a tidy DataFrame in, a Figure out; no file access.

Curves have the names, colours and markers of figure 5.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

from innae_utils import fresh_decoder as fresh
from innae_utils import settings
from innae_utils.figures import (
    CURVES,
    PCA,
    FigureError,
    all_bottlenecks,
    base,
    colour_of,
    face_of,
    in_legend_order,
    joined,
    mark,
    marker_of,
    number_decades,
    one_of,
    set_bottlenecks,
    set_log_losses,
    with_curves,
    write_below,
)
from innae_utils.sensitivity import AS_IT_IS, CHANGES
from innae_utils.units import in_order

FEW_CHANGES = 5  # of a recipe: the panels of those with no more lie below those with more


# ---- settings --------------------------------------------------------------------------------------------------


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
    if "preset" in table and set(table["preset"]) == {"quick"}:
        figure.suptitle(f"every trial stopped after a few epochs{mark('quick')}", fontsize=9, x=0.01, ha="left")
    return figure


def changes(table: pd.DataFrame, printed: pd.DataFrame) -> Figure:
    """Test L1 after each change of a recipe, a dot a seed; a line where the unchanged one is, a band for the paper's.

    The caption says which is which, and how many epochs were trained.

    Args:
        table: the columns of `sensitivity.COLUMNS`, of one data set; a panel each model and bottleneck, those with few
            changes below those with many, up to three in a row, which share their changes and the axis of the losses.
            Trainings that diverged have no L1 and are not drawn.
        printed: of `publishing.read_printed`.
    """
    dataset = one_of(table, "dataset")
    models = [model for model in settings.MODEL_TITLES if model in set(table["model"])]
    points = [(model, k) for model in models for k in sorted(table[table["model"] == model]["bottleneck"].unique())]
    found = {point: table[(table["model"] == point[0]) & (table["bottleneck"] == point[1])] for point in points}
    few = [point for point in points if found[point]["change"].nunique() <= FEW_CHANGES]
    rows = [*_in_rows([point for point in points if point not in few], 3), *_in_rows(few, 3)]
    made = [set(pd.concat([found[point] for point in row])["change"]) for row in rows]
    heights = [0.22 * len(names) + 0.7 for names in made]
    figure = plt.figure(figsize=(7.6, sum(heights) + 0.4))
    cells = figure.add_gridspec(len(rows), 6, height_ratios=heights)
    bands = 0
    for down, (row, those) in enumerate(zip(rows, made, strict=True)):
        names = [name for name in CHANGES if name in those][::-1]
        first = None
        for across, (model, k) in enumerate(row):
            wide = 6 // len(row)
            axes = figure.add_subplot(cells[down, across * wide : (across + 1) * wide], sharex=first, sharey=first)
            here, colour = found[model, k], colour_of(settings.curve_title(model, "paper"))
            axes.plot(here["test_l1"], here["change"].map(names.index), "o", color=colour, alpha=0.8, markeredgewidth=0)
            plain = here[here["change"] == AS_IT_IS]["test_l1"].mean()
            axes.axvline(plain, color=colour, linewidth=0.8, zorder=1)
            theirs = printed[(printed["dataset"] == dataset) & (printed["model"] == model)]
            for point in theirs[theirs["bottleneck"] == k].itertuples():
                band = point.test_l1 - point.read_error, point.test_l1 + point.read_error
                axes.axvspan(*band, color="0.75", linewidth=0, zorder=0)
                bands += 1
            axes.set_title(f"{settings.MODEL_TITLES[model]}, $k$ = {k}")
            axes.tick_params(labelleft=first is None)
            first = first or axes
        first.set_yticks(range(len(names)), names)
        first.set_ylim(-0.6, len(names) - 0.4)
    for axes in figure.axes[-len(rows[-1]) :]:
        axes.set_xlabel("test L1 per pixel")
    once = not table[table["change"] == AS_IT_IS].duplicated(["model", "bottleneck"]).any()
    plain_ones = "the one as it is" if once else "the mean of those as they are"
    lengths = [_epochs_of(table[table["model"] == model], named=len(models) > 1) for model in models]
    said = f"Each dot is one training of {', '.join(lengths)}. The line is {plain_ones}"
    said += "; the grey band is the paper's printed value, as wide as it can be read." if bands else "."
    said += " Each row of panels has an axis of its own." if len(rows) > 1 else ""
    presets = [preset for preset in table["preset"].unique() if preset != "full"]
    said = "".join(map(mark, presets)).strip() + " " * bool(presets) + said
    write_below(figure, said)
    return figure


def _in_rows(things: Sequence, most: int) -> list[Sequence]:
    """Things in rows of nearly equal length, of so many at most."""
    count = -(-len(things) // most)
    edges = [len(things) * i // count for i in range(count + 1)] if count else []
    return [things[start:end] for start, end in pairwise(edges)]


def _epochs_of(table: pd.DataFrame, named: bool) -> str:
    """How many epochs the trainings of a model have, named or not: "20 epochs (a stretched schedule: 24 or 40)"."""
    usual = {int(n) for n in table.loc[table["change"] == AS_IT_IS, "epochs"]}
    stretched = {int(n) for n in table["epochs"]} - usual
    said = " or ".join(map(str, sorted(usual))) + " epochs"
    said += f" of {settings.MODEL_TITLES[one_of(table, 'model')]}" if named else ""
    return said + (f" (a stretched schedule: {' or '.join(map(str, sorted(stretched)))})" if stretched else "")


# ---- what a training costs -------------------------------------------------------------------------------------


def costs(table: pd.DataFrame) -> Figure:
    """Test L1 at one bottleneck against the operations that a training takes; a point a curve, PCA a dashed line.

    Args:
        table: of `cost.table`, of one data set.

    Raises:
        FigureError: there is no trained model in the table.
    """
    points = with_curves(table[table["model"] != "pca"]).sort_values(["tflop", "mean"])
    if points.empty:
        raise FigureError("there is no row of a trained model to draw")
    dataset, k = one_of(table, "dataset"), int(table["bottleneck"].iloc[0])
    figure, axes = plt.subplots(figsize=(7.6, 4.4))
    axes.set(xscale="log", xlabel="operations of a training, TFLOP", yscale="log", ylabel="test L1 per pixel")
    axes.set_title(f"{settings.DATASETS[dataset].title}, bottleneck {k}")
    faces = ["white" if row["change"] else face_of(row["curve"], dataset) for row in points.to_dict("records")]
    for row, face in zip(points.to_dict("records"), faces, strict=True):
        colour = colour_of(row["curve"])
        style = dict(linestyle="none", color=colour, markerfacecolor=face, zorder=3)
        axes.plot(row["tflop"], row["mean"], **{**marker_of(row["curve"]), **style})
        axes.vlines(row["tflop"], row["smallest"], row["largest"], color=colour, linewidth=1)
    levels = table.loc[table["model"] == "pca", "mean"]
    for loss in levels:
        axes.axhline(loss, color="0.2", linestyle="--", linewidth=0.9)
        axes.annotate(PCA, (1, loss), (-3, 3), ("axes fraction", "data"), "offset points", ha="right", fontsize=7)
    low, high = points["tflop"].min(), points["tflop"].max()
    axes.set_xlim(low / max((high / low) ** 0.4, 2), high * max((high / low) ** 0.3, 2))
    number_decades(axes.xaxis, axes.get_xlim())
    number_decades(axes.yaxis, axes.get_ylim())
    said = (
        "Floating-point operations of all steps, counted: the same on any machine and in any precision. Markers: means "
        "over seeds; lines: from the smallest to the largest seed, where there are several."
    )
    if points["recipe"].isin(["tuned", "borrowed"]).any():
        said += " Tuned: without the search for the settings."
    changed = points["change"].astype(bool).to_numpy()
    white = ["epochs, weights or an image size of its own"] if "white" in np.array(faces)[~changed] else []
    white += ["the best change of one setting"] if changed.any() else []
    said += f" White: {', or '.join(white)}." if white else ""
    if "pca" in set(table["model"]):
        said += " PCA is not trained by steps."
    write_below(figure, said)
    figure.draw_without_rendering()  # the axes get their place
    names = [", ".join(filter(None, (row["curve"], row["change"]))) for row in points.to_dict("records")]
    colours = [colour_of(curve) for curve in points["curve"]]
    _write_names(axes, points[["tflop", "mean"]].to_numpy(), names, colours, levels)
    return figure


def _write_names(
    axes: Axes, places: np.ndarray, names: Sequence[str], colours: Sequence[str], levels: Iterable[float]
) -> None:
    """Write each point's name where it covers no point, line or text: to the right, else to the left, above or below.

    Args:
        axes: with its final limits and place.
        places: (n, 2), the points.
        names, colours: n of each.
        levels: heights of lines across the axes.
    """
    reach = 4 * axes.figure.dpi / 72  # of a marker, in pixels
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in axes.transData.transform(places)]
    taken += [text.get_window_extent() for text in axes.texts]
    for level in levels:
        _, y = axes.transData.transform((places[0, 0], level))
        taken.append(Bbox.from_extents(axes.bbox.x0, y - 1, axes.bbox.x1, y + 1))
    sides = ((7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 6, "center", "bottom"), (0, -6, "center", "top"))

    def write(own, dx, dy, across, up):
        style = dict(ha=across, va=up, fontsize=7, color=colours[own], textcoords="offset points")
        return axes.annotate(names[own], places[own], (dx, dy), **style)

    for own in range(len(names)):
        others = [box for place, box in enumerate(taken) if place != own]
        for side in sides:
            label = write(own, *side)
            box = label.get_window_extent()
            if np.array_equal(Bbox.union([box, axes.bbox]), axes.bbox) and not box.count_overlaps(others):
                break
            label.remove()
        else:
            box = write(own, *sides[0]).get_window_extent()  # nowhere: then over something
        taken.append(box)


# ---- depth -----------------------------------------------------------------------------------------------------


def depth(table: pd.DataFrame) -> Figure:
    """The test L1 of deeper networks over that of the same with fewer layers, against the bottleneck.

    Args:
        table: of `depth.beside_shallower`, of one data set and one preset. A line is a curve.

    Raises:
        FigureError: the table is empty, or of several data sets or presets.
    """
    dataset, preset = one_of(table, "dataset"), one_of(table, "preset")
    table = with_curves(table)
    figure, axes = plt.subplots(figsize=(7.6, 3.4))
    axes.axhline(1, color="0.35", linewidth=0.9)
    bottlenecks = all_bottlenecks(dataset, table)
    curves = in_legend_order(set(table["curve"]))
    aside = (max(bottlenecks) / min(bottlenecks)) ** (0.05 / len(curves))
    for place, curve in enumerate(curves):
        mine = table[table["curve"] == curve].sort_values("bottleneck")
        x = mine["bottleneck"] * aside ** (place - (len(curves) - 1) / 2)
        colour = colour_of(curve)
        residual = "residual" in mine["model"].iloc[0]
        line, face = ("--", "white") if residual else ("-", colour)
        style = {"linestyle": line, "color": colour, **marker_of(curve), "markerfacecolor": face}
        style |= {"markeredgecolor": colour, "markeredgewidth": 1} if residual else {}
        axes.vlines(x, mine["lowest"], mine["highest"], color=colour, linewidth=1)
        order = 2 + 1 / len(mine)  # a single point lies above the curves
        axes.plot(x, mine["ratio"], label=curve, zorder=order, clip_on=False, **style)
    set_bottlenecks(axes, bottlenecks, log=True)
    axes.set(title=f"{settings.DATASETS[dataset].title}{mark(preset)}", xlabel="bottleneck $k$", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(0.8, 1, 1.2, 1.5, 2, 3)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("test L1, deeper network\nover shallower")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=7, handlelength=3.6)
    said = (
        "Each network's loss over that of the same with fewer layers: above 1 the deeper one is "
        "worse. Dashed and white: residual layers. Means over seeds; bars, where there are several: from the deeper "
        "one's smallest over the other's largest to its largest over the other's smallest. Curves are moved aside a "
        "little."
    )
    write_below(figure, said)
    return figure


# ---- live units ------------------------------------------------------------------------------------------------


def live_units(table: pd.DataFrame) -> Figure:
    """The share of the hidden units that are positive for an image at least, from the first layer to the last.

    Args:
        table: the columns of `units.COLUMNS`, of one data set and one preset. A panel is a curve, a line in it a
            bottleneck, the darker, the larger; means over seeds.
    """
    dataset, preset = one_of(table, "dataset"), one_of(table, "preset")
    table = with_curves(table.assign(share=table["live"] / table["units"]))
    layers = in_order(table["layer"])
    sizes = sorted(map(int, table["bottleneck"].unique()))
    figure, panels = _a_panel_each(in_legend_order(set(table["curve"])), columns=3, height=2.0)
    for curve, axes in panels.items():
        for k, here in table[table["curve"] == curve].groupby("bottleneck"):
            shares = here.groupby("layer")["share"].mean()
            shares = shares.reindex([layer for layer in layers if layer in shares.index])  # some have fewer layers
            dark = (sizes.index(k) + 2) / (len(sizes) + 1)
            style = dict(color=colour_of(curve), alpha=dark, label=f"$k$ = {k}", clip_on=False)
            axes.plot(list(map(layers.index, shares.index)), shares, "o-", **style)
        axes.legend(fontsize=7, loc="lower right", ncols=2, handlelength=1.2, columnspacing=0.9, labelspacing=0.3)
    widths = table.groupby("layer")["units"].unique()  # several where a layer is not as wide in every model
    first = next(iter(panels.values()))  # they share their axes
    first.set_xticks(range(len(layers)), [f"{layer[0].upper()}{layer.split()[1]}" for layer in layers])
    first.set_ylim(0, 1.04)
    first.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    said = f"{settings.DATASETS[dataset].title}{mark(preset)}. "
    for half in ("encoder", "decoder"):
        of = ", ".join(" or ".join(map(str, sorted(widths[layer]))) for layer in layers if layer.startswith(half))
        said += f"{half[0].upper()}: the {half}'s hidden layers, of {of} units. "
    once = not table.duplicated(["curve", "bottleneck", "layer"]).any()
    said += f"Live: positive for at least one of {table['images'].max():,} training images. "
    said += f"{'A line is one run' if once else 'Means over seeds'}; the darker, the larger the bottleneck."
    figure.supylabel("live units", fontsize=9)
    write_below(figure, said)
    return figure


def _a_panel_each(titles: Sequence[str], columns: int, height: float) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel a title, in rows of so many at most, all with the same axes; curves in their colours."""
    rows = -(-len(titles) // columns)
    columns = -(-len(titles) // rows)  # nine in three rows of three, not four, four and one
    figure, places = plt.subplots(
        rows, columns, figsize=(7.6, rows * height + 0.6), sharex=True, sharey=True, squeeze=False
    )
    for axes in places.flat[len(titles) :]:
        axes.remove()
    panels = dict(zip(titles, places.flat, strict=False))
    for place, (title, axes) in enumerate(panels.items()):
        axes.set_title(title, color=colour_of(title) if base(title) in CURVES else "black", fontsize=8)
        axes.tick_params(labelbottom=place + columns >= len(titles))  # also above a place that is left over
    return figure, panels


# ---- encoder or decoder ----------------------------------------------------------------------------------------


def encoder_or_decoder(table: pd.DataFrame) -> Figure:
    """L1 with the encoder's codes and with the best codes found, against the bottleneck; a panel a curve.

    Full and dashed lines, white dots: of the test images, with what goes away shaded. Thin lines: of the training
    images. Grey: the INN's of the test images, in the panels of the others.

    Args:
        table: the columns of `codes.COLUMNS`, of one data set and one preset. Lines are means over seeds.
    """
    dataset, preset = one_of(table, "dataset"), one_of(table, "preset")
    table = with_curves(table)
    means = table.groupby(["curve", "split", "bottleneck"])[["encoder_l1", "best_l1"]].mean()
    inn = settings.curve_title("inn", "paper")
    figure, panels = _a_panel_each(in_legend_order(set(table["curve"])), columns=4, height=1.7)
    for curve, axes in panels.items():
        colour = colour_of(curve)
        looks = {
            (inn, "test"): dict(color="0.6", marker="o", markersize=2.5, linewidth=0.9, zorder=1),
            (curve, "train"): dict(color=colour, linewidth=0.6),
            (curve, "test"): dict(color=colour, marker="o", markersize=3.5),
        }
        for place, look in looks.items():
            if place in means.index:
                here = means.loc[place]
                axes.plot(here["encoder_l1"], "-", **look)
                axes.plot(here["best_l1"], "--", **look, markerfacecolor="white")
        if (curve, "test") in means.index:
            away = (here.index, here["best_l1"], here["encoder_l1"])
            axes.fill_between(*away, color=colour, alpha=0.2, linewidth=0)
            axes.vlines(*away, color=colour, alpha=0.5, linewidth=1)
    first = next(iter(panels.values()))  # they share their axes
    set_log_losses(first)
    set_bottlenecks(first, sorted(map(int, table["bottleneck"].unique())), log=True, digit=0.06)
    figure.supylabel("L1 per pixel", fontsize=9)
    counts = table.groupby("split")["images"].max()
    said = f"{settings.DATASETS[dataset].title}{mark(preset)}, against the bottleneck $k$. Full: with the encoder's "
    said += "numbers. Dashed, white dots: with the best found for the same decoder "
    said += f"by up to {table['steps'].max()} steps of Adam; shaded: what goes away. Thin: of training images. "
    said += f"Grey: the {inn}, for comparison. " if inn in panels and len(panels) > 1 else ""
    said += f"Means over seeds, of {counts.get('train', 0)} training and {counts.get('test', 0)} test images."
    write_below(figure, said)
    return figure


# ---- a new decoder ---------------------------------------------------------------------------------------------


def fresh_decoder(table: pd.DataFrame) -> Figure:
    """Test L1 with each network's own decoder and with a new one trained on the same codes; a panel a bottleneck.

    A line of a panel is a curve, from its own decoder's loss (white) to the new one's (full); a stroke is the new one's
    behind the same encoder with its first weights. Upright lines: the new one's behind encoders that are no networks.

    Args:
        table: the columns of `fresh_decoder.COLUMNS`, of one data set and one preset. Dots are means over seeds.

    Raises:
        FigureError: the table is of no trained network, or of several data sets or presets.
    """
    dataset, preset = one_of(table, "dataset"), one_of(table, "preset")
    words = ("PCA (dashed)", "a random projection of the pixels (dotted)", "all pixels (dash-dotted)")
    upright = dict(zip(fresh.LINEAR, zip(("--", ":", "-."), words, strict=True), strict=True))
    untrained = table["recipe"] == fresh.UNTRAINED
    networks = with_curves(table[~table["model"].isin(upright) & ~untrained])
    if networks.empty:
        raise FigureError("a figure of new decoders needs a trained network beside the other encoders")
    model_of = dict(zip(networks["curve"], networks["model"], strict=True))
    curves, losses = in_legend_order(model_of), fresh.means(table)
    sizes = losses.index.unique("bottleneck")
    figure, panels = _a_panel_each([f"$k$ = {k}" for k in sizes], columns=3, height=0.19 * len(curves) + 0.6)
    for axes, k in zip(panels.values(), sizes, strict=True):
        here = losses.loc[k]
        for kind, (line, _) in upright.items():
            for new in here.loc[here.index == fresh.LINEAR[kind], "test_l1"]:
                axes.axvline(new, color="0.35", linewidth=1, linestyle=line, zorder=1)
        for place, curve in enumerate(curves):
            style, first = dict(color=colour_of(curve), clip_on=False), fresh.title_of(model_of[curve], fresh.UNTRAINED)
            for new in here.loc[here.index == first, "test_l1"]:
                axes.plot(new, place, "|", markersize=9, markeredgewidth=1.6, **style)
            for own, new in here.loc[here.index == curve, ["own_test_l1", "test_l1"]].to_numpy():
                axes.plot([own, new], [place, place], "-", linewidth=1.2, **style)
                axes.plot(own, place, "o", markerfacecolor="white", **style)
                axes.plot(new, place, "o", **style)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="y", visible=False)
    corner = next(iter(panels.values()))  # they share their axes
    corner.set_yticks(range(len(curves)), curves, fontsize=7)
    corner.set_ylim(len(curves) - 0.5, -0.5)
    corner.set_xscale("log")
    number_decades(corner.xaxis, corner.get_xlim())
    said = (
        f"{settings.DATASETS[dataset].title}{mark(preset)}, test L1 per pixel. White: with the network's own decoder. "
    )
    said += "Full: with a new one, trained on the numbers that its encoder gives"
    said += "; stroke: on those that it gives with its first weights" * bool(untrained.any())
    there = [word for kind, (_, word) in upright.items() if (table["model"] == kind).any()]
    said += f". Upright, the new decoder behind {joined(there)}" * bool(there)
    once = not table.duplicated(["model", "recipe", "bottleneck"]).any()
    said += f". {'One run each' if once else 'Means over seeds'}, of {table['test_images'].max():,} test images."
    write_below(figure, said)
    return figure
