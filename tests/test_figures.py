import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from innae_utils import figures
from innae_utils.figures import FigureError


@pytest.fixture(autouse=True)
def _style():
    plt.switch_backend("agg")
    with plt.style.context(figures.STYLE):
        yield
    plt.close("all")


def table(**changes):
    records = [
        {"dataset": "digits", "model": m, "recipe": r, "bottleneck": k, "seed": s, "preset": "full",
         "test_l1": 0.3 / k + 0.01 * s + (0.1 if m == "classic" else 0.0), "n_params": 1000 * k}
        for m, r in (("inn", "paper"), ("classic", "paper"), ("classic", "late"))
        for k in (2, 4, 8)
        for s in (0, 1)
    ]  # fmt: skip
    records += [
        {"dataset": "digits", "model": "pca", "recipe": "exact", "bottleneck": k, "seed": 0, "preset": "full",
         "test_l1": 0.4 / k, "n_params": 64 * k}
        for k in (8, 2, 4)
    ]  # fmt: skip
    return pd.DataFrame(records).assign(**changes)


def lines(axes):
    return {tuple(line.get_ydata()) for line in axes.get_lines() if len(line.get_ydata())}


def has(axes, expected):
    return any(len(line) == len(expected) and np.allclose(line, expected) for line in lines(axes))


def test_figure_5_draws_means_bands_parameters_and_pca():
    left, right = figures.figure5(table()).axes
    assert has(left, [0.3 / k + 0.005 for k in (2, 4, 8)])
    assert has(left, [0.3 / k + 0.105 for k in (2, 4, 8)])
    assert has(left, [0.4 / k for k in (2, 4, 8)])
    assert has(right, [1000 * k for k in (2, 4, 8)])
    assert len(left.collections) == 3
    for band in left.collections:
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.max() - heights.min() > 0.1125  # 0.3/2 - 0.3/8, and the seeds' spread
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["INN", "classic", "classic, late decay", "PCA"]


def test_figure_5_draws_the_papers_points_thin():
    rows = table(dataset="mnist")
    rows = rows[rows["recipe"] != "late"]
    printed = pd.DataFrame({"model": ["inn"] * 2, "bottleneck": [4, 2], "test_l1": [0.05, 0.08]})
    left = figures.figure5(rows, printed).axes[0]
    assert has(left, [0.08, 0.05])
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["INN", "classic", "PCA", "printed in the paper"]


def test_quick_rows_are_marked_and_never_drawn_with_full_ones():
    assert "not a result" in figures.figure5(table(preset="quick")).axes[0].get_title(loc="left")
    mixed = pd.concat([table(), table(preset="quick")])
    with pytest.raises(FigureError, match="one preset, and these rows have full, quick"):
        figures.figure5(mixed)


def test_rows_of_two_data_sets_or_none_are_refused():
    with pytest.raises(FigureError, match="one dataset"):
        figures.figure5(pd.concat([table(), table(dataset="mnist")]))
    with pytest.raises(FigureError, match="none"):
        figures.figure5(table()[:0])
    only_pca = table()
    with pytest.raises(FigureError, match="no row of a trained model"):
        figures.figure5(only_pca[only_pca["model"] == "pca"])


def test_a_curve_keeps_its_colour_when_others_are_missing():
    whole, part = figures.colours_of(figures.CURVES), figures.colours_of(["classic, late decay"])
    assert part["classic, late decay"] == whole["classic, late decay"]
    assert len({*map(whole.get, figures.CURVES[:6])}) == 6


def test_figure_6_shows_the_difference_as_the_paper_does():
    rng = np.random.default_rng(0)
    x = rng.random((7, 1, 8, 8))
    blocks = {"INN": {"x": x, "x_hat": x}, "classic": {"x": x, "x_hat": np.zeros_like(x)}}
    figure = figures.figure6(blocks, count=6)
    drawn = [axes.images[0].get_array() for axes in figure.axes]
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["INN", "classic"]
    image = np.s_[:, :8]
    assert np.allclose(drawn[0][image], x[0, 0]) and np.allclose(drawn[2][image], x[0, 0])
    assert np.allclose(drawn[4][image], 0.5), "grey where the reconstruction is right"
    assert np.allclose(drawn[5][image], (x[0, 0] + 1) / 2)
    assert drawn[0].shape == (8, 6 * 8 + 5)


def test_figure_6_refuses_different_images_and_none():
    x = np.zeros((3, 1, 8, 8))
    with pytest.raises(FigureError, match="different images"):
        figures.figure6({"INN": {"x": x, "x_hat": x}, "classic": {"x": x + 1, "x_hat": x}})
    with pytest.raises(FigureError, match="no run"):
        figures.figure6({})


def test_pdf_text_stays_text():
    assert plt.rcParams["pdf.fonttype"] == 42


def test_trials_are_dots_and_the_papers_recipe_is_a_cross():
    table = pd.DataFrame(
        {"trial": [2, 0, 1, 3], "epochs": [50, 100, 100, 150], "lr": [1e-3, 2e-3, 2e-3, 1e-2],
         "schedule": ["80 %", "every tenth", "80 %", "80 %"], "weight_decay": [1e-7, 1e-5, 1e-5, 1e-4],
         "held_out_l1": [0.05, 0.08, 0.06, float("nan")]}
    )  # fmt: skip
    panels = figures.trials(table).axes
    assert len(panels) == 4
    for axes, dots, cross in zip(
        panels, ([1e-3, 2e-3], [0, 0], [1e-7, 1e-5], [50, 100]), (2e-3, 1, 1e-5, 100), strict=True
    ):
        drawn, first = axes.get_lines()
        assert list(drawn.get_xdata()) == dots and list(drawn.get_ydata()) == [0.05, 0.06]
        assert list(first.get_xdata()) == [cross] and list(first.get_ydata()) == [0.08] and first.get_marker() == "x"
    assert [label.get_text() for label in panels[1].get_xticklabels()] == ["80 %", "every tenth"]
