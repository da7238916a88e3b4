"""One small picture a claim where it helps: the tables of `claims.Measured` in, a Figure out; no file access.

Ours is solid, the paper's printed curves are dashed, as thin as everywhere.
"""

from collections.abc import Iterable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from innae_utils import claims, settings
from innae_utils.claims import Measured
from innae_utils.figures import FigureError, colour_of
from innae_utils.results import saturation
from innae_utils.settings import is_classic

SIZE = (7.6, 2.7)


def ratios(ours: Measured, paper: Measured) -> Figure:
    """Claims 1 and 3: the INN's test L1 divided by classic's, against the bottleneck divided by the border.

    Left of 1 are the small bottlenecks, right of it the large ones; the grey band is what counts as comparable.

    Raises:
        FigureError: no data set has both curves.
    """
    figure, axes = plt.subplots(figsize=(7.6, 3.0))
    datasets = [d for d in (*claims.PAPER, "digits", "lfw") if _ratio(ours, d) or _ratio(paper, d)]
    if not datasets:
        raise FigureError("no data set has both an INN and a classic curve")
    for place, dataset in enumerate(datasets):
        for measured, style, label in ((ours, "o-", "ours"), (paper, "s--", "printed")):
            ratio, border = _ratio(measured, dataset), claims.border(measured, dataset)
            if ratio and border:
                width = {"o-": 1.6, "s--": 0.8}[style]
                name = f"{claims.title(dataset)}, {label}"
                xs = [k / border for k in ratio]
                axes.plot(xs, list(ratio.values()), style, color=f"C{place}", linewidth=width, markersize=3, label=name)
    comparable = ours.tolerance("COMPARABLE")
    axes.axhspan(1 - comparable, 1 + comparable, color="0.93", zorder=0)
    axes.axvline(1, color="0.6", linewidth=0.8)
    axes.set(xscale="log", xlabel="bottleneck / the bottleneck where classic saturates", ylim=(0, None))
    axes.set_ylabel("test L1, INN / classic")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="lower left")
    return figure


def _ratio(measured: Measured, dataset: str) -> dict[int, float]:
    inn, classic = measured.curve(dataset, "inn"), measured.curve(dataset, "classic")
    return {k: inn[k] / classic[k] for k in sorted(set(inn) & set(classic))}


def saturations(ours: Measured, paper: Measured, dataset: str = "mnist") -> Figure:
    """Claims 2, 4, 5 and 6: test L1 of the paper's models on a log axis, a ring where each classic curve saturates.

    No ring where too little has been run to say so. The shaded band is "about" where the paper says that it is.

    Raises:
        FigureError: neither of the two has a curve of this data set.
    """
    sides = [(side, name) for side, name in ((paper, "printed"), (ours, "ours")) if _models(side, dataset)]
    if not sides:
        raise FigureError(f"there is no curve of {dataset}")
    figure, panels = plt.subplots(1, len(sides), figsize=(7.6, 3.1), sharey=True, sharex=True, squeeze=False)
    for axes, (measured, name) in zip(panels[0], sides, strict=True):
        _draw_saturations(axes, measured, dataset)
        axes.set_title(f"{claims.title(dataset)}, {name}")
        axes.set_xlabel("bottleneck $k$")
        axes.legend()
    panels[0][0].set(ylabel="test L1 per pixel", ylim=(0, None), xscale="log")
    _whole_numbers(panels[0][0], claims.panel(dataset).bottlenecks)
    return figure


def _models(measured: Measured, dataset: str) -> list[str]:
    """The paper's own models that have a curve."""
    return [m for m in settings.DATASETS[dataset].models if measured.curve(dataset, m)]


def _draw_saturations(axes: Axes, measured: Measured, dataset: str) -> None:
    models, flat = _models(measured, dataset), measured.tolerance("SATURATION_TOLERANCE")
    colours = {label: colour_of(label) for label in (settings.curve_title(model, "paper") for model in models)}
    for model, (label, colour) in zip(models, colours.items(), strict=True):
        curve = measured.curve(dataset, model)
        axes.plot(list(curve), list(curve.values()), "o-", markersize=3, linewidth=1.2, color=colour, label=label)
        judged = is_classic(model) and claims.saturates(measured, dataset, model).verdict != claims.OPEN
        if judged and not claims.dips(curve, flat):
            found = saturation(curve, flat)
            axes.plot(found, curve[found], "o", markersize=10, fillstyle="none", color=colour)
    if said := claims.panel(dataset).saturates:
        about = measured.tolerance("ABOUT")
        axes.axvspan(said[0] / about, said[1] * about, color="0.93", zorder=0)


def tuned(ours: Measured) -> Figure:
    """Claim 7: what tuning buys the classic models, beside the INN; a panel a data set, a dot a run.

    Raises:
        FigureError: no tuned run has been measured.
    """
    rows = ours.rows
    datasets = list(dict.fromkeys(rows[rows["recipe"] == settings.TUNED]["dataset"]))
    if not datasets:
        raise FigureError("no tuned run has been measured")
    asked = dict.fromkeys(key for dataset in datasets for key in claims.contenders(ours, dataset))
    order = [*sorted(asked, key=lambda key: list(settings.MODEL_TITLES).index(key[0])), ("inn", "paper")]
    size = (7.6, 0.9 + 0.22 * len(order))
    figure, panels = plt.subplots(1, len(datasets), figsize=size, squeeze=False, sharey=True)
    for axes, dataset in zip(panels[0], datasets, strict=True):
        k = claims.tuned_at(dataset)
        for place, (model, recipe) in enumerate(order):
            found = ours.of(dataset, model, recipe)
            found = found[found["bottleneck"] == k]["test_l1"]
            label = settings.curve_title(model, recipe)
            axes.plot(found, [place] * len(found), "o", color=colour_of(label), alpha=0.8)
            if (model, recipe) == ("inn", "paper") and len(found):
                axes.axvline(found.mean(), color=colour_of(label), linewidth=0.8, zorder=1)
        axes.set_yticks(range(len(order)), [settings.curve_title(*key) for key in order])
        axes.set(title=f"{claims.title(dataset)}, bottleneck {k}", xlabel="test L1", xlim=(0, None))
        axes.set_ylim(len(order) - 0.5, -0.5)
    return figure


def train_against_test(ours: Measured) -> Figure:
    """Claim 8: test L1 over training L1 of every classic run with the paper's recipe, against the bottleneck.

    Raises:
        FigureError: no classic run has been measured.
    """
    rows = ours.rows[(ours.rows["recipe"] == "paper") & (ours.rows["model"] != "pca")]
    rows = rows[[is_classic(model) for model in rows["model"]]]
    if rows.empty:
        raise FigureError("no classic run has been measured")
    figure, axes = plt.subplots(figsize=(7.6, 2.6))
    for dataset, part in rows.groupby("dataset", sort=False):
        axes.plot(part["bottleneck"], part["test_l1"] / part["train_l1"], "o", alpha=0.8, label=claims.title(dataset))
    divergence = ours.tolerance("DIVERGENCE")
    axes.axhspan(1 - divergence, 1 + divergence, color="0.93", zorder=0)
    axes.set(xscale="log", xlabel="bottleneck $k$", ylabel="test L1 / training L1")
    _whole_numbers(axes, rows["bottleneck"])
    axes.legend()
    return figure


def _whole_numbers(axes: Axes, ks: Iterable[int]) -> None:
    """Label a log axis of bottlenecks with the bottlenecks themselves, with powers of two alone if they are many."""
    shown = sorted({int(k) for k in ks})
    shown = shown if len(shown) < 8 else [k for k in shown if k.bit_count() == 1]
    axes.set_xticks(shown, [str(k) for k in shown])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def parameters(datasets: tuple[str, ...] = ("mnist", "cifar10", "celeba")) -> Figure:
    """Claim 9: trainable parameters of every classic model divided by the INN's, counted from the networks.

    Above the line at 1 the classic model has the advantage.
    """
    figure, panels = plt.subplots(1, len(datasets), figsize=(7.6, 3.2))
    for axes, dataset in zip(panels, datasets, strict=True):
        ks, inn = claims.panel(dataset).bottlenecks, claims.count("inn", dataset, 1)
        for model in (m for m in settings.MODELS[dataset] if is_classic(m)):
            label = settings.MODEL_TITLES[model]
            shares = [claims.count(model, dataset, k) / inn for k in ks]
            axes.plot(ks, shares, "o-", color=colour_of(label), markersize=3, label=label)
        axes.axhline(1, color="0.3", linewidth=0.8)
        axes.set(title=claims.title(dataset), xscale="log", yscale="log", xlabel="bottleneck $k$")
        low, high = axes.get_ylim()
        ticks = [t for t in (1, 1.5, 2, 3, 5, 10, 20) if low <= t <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[0].set_ylabel("parameters, classic / INN")
    panels[0].legend(loc="lower left", bbox_to_anchor=(0, 0.08))
    return figure


def ablation(ours: Measured) -> Figure:
    """Claim 10: reconstruction loss while training, with and without the zero-padding loss; a panel a bottleneck.

    Raises:
        FigureError: there are no learning curves without the loss.
    """
    curves, (_, without) = ours.curves, claims.ABLATION
    if curves is None or not (curves["recipe"] == without).any():
        raise FigureError("there are no learning curves without the zero-padding loss")
    places = curves[curves["recipe"] == without][["dataset", "bottleneck"]].drop_duplicates()
    figure, panels = plt.subplots(1, len(places), figsize=SIZE, squeeze=False)
    for axes, (dataset, k) in zip(panels[0], places.itertuples(index=False), strict=True):
        here = curves[(curves["dataset"] == dataset) & (curves["bottleneck"] == k) & (curves["model"] == "inn")]
        for recipe, style in zip(claims.ABLATION, ("-", "--"), strict=True):
            label = settings.curve_title("inn", recipe)
            for number, (_, run) in enumerate(here[here["recipe"] == recipe].groupby("seed")):
                name = label if number == 0 else "_nolegend_"
                axes.plot(
                    run["epoch"],
                    run["reconstruction"],
                    style,
                    linewidth=1.1,
                    color=colour_of(label),
                    label=name,
                )
        axes.set(title=f"{claims.title(dataset)}, bottleneck {k}", xlabel="epoch", yscale="log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        ticks = [tick for tick in (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3) if _within(tick, axes.get_ylim())]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0][0].set_ylabel("training L1")
    panels[0][0].legend()
    return figure


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
