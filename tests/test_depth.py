import dataclasses

import matplotlib.colors
import pandas as pd
import pytest
from conftest import row

from innae_utils import depth, figures, settings, study_figures


def losses(model, *test_l1, **values):
    """Rows of a model on digits at 8, a seed a loss; the loss in training is half of it."""
    values = {"dataset": "digits", "bottleneck": 8, **values}
    return [
        {**row(**values, model=model, seed=seed), "test_l1": each, "train_l1": each / 2}
        for seed, each in enumerate(test_l1)
    ]


def test_a_deeper_network_stands_beside_the_same_with_fewer_layers():
    rows = pd.DataFrame([
        *losses("classic", 0.04, 0.05), *losses("classic_double_depth", 0.06, 0.09, 0.03),
        *losses("classic", 0.02, recipe="late"), *losses("classic_double_depth", 0.03, recipe="late"),
        *losses("inn", 0.04, bottleneck=4), *losses("inn_double_depth", 0.03, bottleneck=4),
        *losses("inn_double_depth", 0.01),  # there is no INN at 8,
        *losses("classic_leaky", 0.01),  # and nothing deeper than this
        *losses("classic_deep", 0.05, dataset="mnist"), *losses("classic_1024", 0.04, dataset="mnist"),
    ])  # fmt: skip
    table = depth.beside_shallower(rows).set_index(["model", "recipe"])
    assert list(table.index) == [
        ("classic_double_depth", "paper"), ("classic_double_depth", "late"), ("inn_double_depth", "paper"),
        ("classic_deep", "paper"),
    ]  # fmt: skip
    assert list(table["shallower"]) == ["classic", "classic", "inn", "classic_1024"]
    assert list(table["ratio"]) == pytest.approx([0.06 / 0.045, 1.5, 0.75, 1.25])
    several = table.iloc[0]
    assert (several["runs"], several["shallower_runs"], several["bottleneck"]) == (3, 2, 8)
    assert (several["train_l1"], several["shallower_train_l1"]) == pytest.approx((0.03, 0.0225))
    assert (several["lowest"], several["highest"]) == pytest.approx((0.03 / 0.05, 0.09 / 0.04))
    assert list(table["lowest"][1:]) == list(table["highest"][1:]) == list(table["ratio"][1:]), "single runs"


def test_the_settings_of_classic_stand_beside_those_its_deeper_kin_has_borrowed_from_it():
    deeper = [*losses("classic_double_depth", 0.06, recipe="borrowed"), *losses("classic_deep", 0.06, recipe="tuned")]
    plain = [*losses("classic", 0.04, recipe="tuned"), *losses("classic_leaky", 0.01, recipe="tuned")]
    deeper += losses("classic_double_depth", 0.08, recipe="borrowed-epochs9")
    plain += losses("classic", 0.02, recipe="tuned-epochs9")
    table = depth.beside_shallower(pd.DataFrame([*deeper, *plain, *losses("classic", 0.02)]))
    assert list(table["recipe"]) == ["borrowed", "borrowed-epochs9"]
    assert list(table["ratio"]) == pytest.approx([1.5, 4])


def test_quick_runs_are_no_measure_of_full_ones():
    rows = pd.DataFrame([*losses("classic", 0.04, preset="quick"), *losses("classic_double_depth", 0.06)])
    assert depth.beside_shallower(rows).empty and list(depth.beside_shallower(rows)) == list(depth.COLUMNS)


@pytest.mark.parametrize(("deeper", "plain"), depth.SHALLOWER.items())
def test_the_two_of_a_pair_differ_in_their_depth_alone(deeper, plain):
    for dataset, known in settings.MODELS.items():
        assert (deeper in known) <= (plain in known)
        if deeper not in known:
            continue
        one, two = known[deeper], known[plain]
        name = "conv_hidden" if isinstance(two, settings.InnSpec) else "widths"
        residual = deeper == "classic_residual_double_depth"
        skips = {"residual": False} if residual else {}
        assert getattr(one, "residual", False) == residual and not getattr(two, "residual", False)
        assert dataclasses.replace(one, **{name: getattr(two, name)}, **skips) == two
        layers = [sum(getattr(spec, name), ()) if name == "conv_hidden" else getattr(spec, name) for spec in (one, two)]
        assert set(layers[0]) == set(layers[1]) and len(layers[0]) > len(layers[1])
        if deeper in settings.DOUBLE_DEPTH:
            assert len(layers[0]) == 2 * len(layers[1]) and layers[0][::2] == layers[0][1::2] == layers[1]
        assert settings.recipes_of(dataset, deeper)[0] == "paper"


def test_the_figure_has_a_line_a_curve_in_its_own_colour(style):
    rows = pd.DataFrame([
        *losses("classic", 0.04, 0.05), *losses("classic_double_depth", 0.06),
        *losses("classic", 0.04, bottleneck=16), *losses("classic_double_depth", 0.05, bottleneck=16),
        *losses("inn", 0.04), *losses("inn_double_depth", 0.03),
        *losses("classic", 0.04, recipe="tuned"), *losses("classic_double_depth", 0.03, recipe="borrowed"),
        *losses("classic_residual_double_depth", 0.05),
    ])  # fmt: skip
    (axes,) = study_figures.depth(depth.beside_shallower(rows)).axes
    lines = {line.get_label(): line for line in axes.lines}
    line = lines["classic double depth"]
    assert list(line.get_ydata()) == pytest.approx([0.06 / 0.045, 1.25])
    assert line.get_color() == figures.colour_of("classic double depth")
    assert list(lines["INN double depth"].get_ydata()) == pytest.approx([0.75])
    skips = lines["classic residual double depth"]
    assert skips.get_color() == figures.colour_of("classic residual double depth")
    assert (skips.get_linestyle(), line.get_linestyle()) == ("--", "-")
    (bar,) = [bar for bar in axes.collections if matplotlib.colors.same_color(bar.get_color(), line.get_color())]
    ends = [list(segment[:, 1]) for segment in bar.get_segments()]
    assert ends == [pytest.approx([0.06 / 0.05, 0.06 / 0.04]), pytest.approx([1.25, 1.25])]
    lent = "classic double depth, tuned for classic"
    assert lines[lent].get_color() == figures.colour_of(lent)
    with pytest.raises(figures.FigureError, match="one dataset"):
        study_figures.depth(depth.beside_shallower(rows)[:0])
