import numpy as np
import pandas as pd
import pytest
from test_claims import CLASSIC, INN, PRINTED, curves, measured, rows

from innae_utils import claim_figures, claims
from innae_utils.figures import FigureError

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture(scope="module")
def paper():
    return claims.printed(PRINTED)


def drawn(axes):
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_ratios_are_inn_over_classic_at_bottlenecks_over_the_border(paper):
    (axes,) = claim_figures.ratios(measured(rows(CLASSIC), rows(INN, "inn")), paper).axes
    xs, ys = drawn(axes)[0]
    assert xs == pytest.approx([k / 12 for k in CLASSIC])
    assert ys == pytest.approx([INN[k] / CLASSIC[k] for k in CLASSIC])
    assert labels(axes) == ["MNIST, ours", "MNIST, printed", "CIFAR-10, printed", "CelebA, printed"]
    with pytest.raises(FigureError, match="no data set has both"):
        claim_figures.ratios(measured(rows(CLASSIC)), measured())


def test_rings_mark_where_classic_curves_saturate(paper):
    left, right = claim_figures.saturations(measured(rows(CLASSIC), rows(INN, "inn")), paper).axes
    rings = [list(line.get_xdata()) for line in left.get_lines() if line.get_fillstyle() == "none"]
    assert rings == [[12], [32], [48]], "classic, 1024 and 2048 as printed; none for the INN"
    assert [list(line.get_xdata()) for line in right.get_lines() if line.get_fillstyle() == "none"] == [[12]]
    assert labels(left) == ["INN", "classic", "classic 1024", "classic 2048"] and labels(right) == ["INN", "classic"]
    (alone,) = claim_figures.saturations(measured(), paper).axes
    assert alone.get_title(loc="left") == "MNIST, printed"
    with pytest.raises(FigureError, match="no curve of mnist"):
        claim_figures.saturations(measured(), measured())


def test_tuned_runs_beside_the_others():
    ours = measured(rows({64: 0.028}, recipe="tuned", seeds=(0, 1)), rows(CLASSIC), rows(INN, "inn"))
    (axes,) = claim_figures.tuned(ours).axes
    *dots, (line, _) = drawn(axes)
    assert dots == [([0.0355], [0]), ([0.028, 0.028], [1, 1]), ([0.018], [2])] and line == [0.018, 0.018]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["classic", "classic, tuned", "INN"]
    wide = rows({64: 0.017}, "classic_1024", recipe="borrowed")
    more = measured(rows({64: 0.028}, recipe="tuned"), rows(CLASSIC), rows(INN, "inn"), wide)
    (axes,) = claim_figures.tuned(more).axes
    assert axes.get_yticklabels()[2].get_text() == "classic 1024, tuned for classic", "what decides the claim is there"
    assert drawn(axes)[2] == ([0.017], [2])
    with pytest.raises(FigureError, match="no tuned run"):
        claim_figures.tuned(measured(rows(CLASSIC)))


def test_training_against_test_loss_of_classic_runs_alone():
    (axes,) = claim_figures.train_against_test(measured(rows(CLASSIC, train=0.8), rows(INN, "inn", train=0.1))).axes
    ((xs, ys),) = drawn(axes)
    assert xs == list(CLASSIC) and ys == pytest.approx([1.25] * 5)
    with pytest.raises(FigureError, match="no classic run"):
        claim_figures.train_against_test(measured(rows(INN, "inn")))


def test_parameters_are_drawn_over_the_inns():
    panels = claim_figures.parameters().axes
    assert [axes.get_title(loc="left") for axes in panels] == ["MNIST", "CIFAR-10", "CelebA"]
    shares = dict(zip(*drawn(panels[1])[0], strict=True))
    assert shares[32] == (12_549_379 + 18_433 * 32) / 13_235_176 < 1 < shares[64]
    assert len(labels(panels[0])) == 4


def test_ablation_draws_a_line_a_run():
    figure = claim_figures.ablation(measured(curves=pd.concat([curves(1.1), curves(1.2, k=16)])))
    left, right = figure.axes
    assert labels(left) == ["INN", "INN, no zero-padding loss"]
    assert [line.get_linestyle() for line in left.get_lines()] == ["-", "-", "--", "--"]
    assert np.allclose(left.get_lines()[2].get_ydata()[:4], 1.1 * left.get_lines()[0].get_ydata()[:4])
    assert right.get_title(loc="left") == "digits, bottleneck 16"
    with pytest.raises(FigureError, match="no learning curves"):
        claim_figures.ablation(measured())
