import itertools
import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_models import PARAMETERS

from innae_utils import figures, publishing, settings
from innae_utils.figures import FigureError

pytestmark = pytest.mark.usefixtures("style")


def table(**changes):
    records = [
        {"dataset": "digits", "model": m, "recipe": r, "bottleneck": k, "seed": s, "preset": "full",
         "test_l1": (0.2 if r == "late" else 0.3) / k + 0.01 * s + (0.1 if m == "classic" else 0.0)}
        for m, r in (("inn", "paper"), ("classic", "paper"), ("classic", "late"))
        for k in (2, 4, 8)
        for s in (0, 1)
    ]  # fmt: skip
    records += [
        {"dataset": "digits", "model": "pca", "recipe": "exact", "bottleneck": k, "seed": 0, "preset": "full",
         "test_l1": 0.4 / k}
        for k in (8, 2, 4)
    ]  # fmt: skip
    return pd.DataFrame(records).assign(**changes)


PRINTED = pd.DataFrame(
    {"dataset": "mnist", "model": ["inn"] * 3 + ["classic"] * 3, "bottleneck": [4, 1, 64, 64, 1, 12],
     "test_l1": [0.05, 0.08, 0.01, 0.03, 0.08, 0.0301], "read_error": 0.0004}
)  # fmt: skip


def test_a_bottleneck_that_one_curve_has_alone_is_no_gap_in_the_others():
    extra = table().iloc[:1].assign(model="classic", bottleneck=12, test_l1=0.1)
    own = table()[table()["bottleneck"] != 4]  # one of the data set's own is a gap where it is missing
    (axes, _) = figures.figure5(pd.concat([own, extra])).axes
    for curve, there, missing in (("INN", [2, 8], [4, 16, 32]), ("classic", [2, 8, 12], [4, 16, 32])):
        x, y = line_of(axes, figures.colour_of(curve))
        known = pd.Series(np.asarray(y, float), index=np.asarray(x))
        assert known.dropna().index.tolist() == there and known[known.isna()].index.tolist() == missing


def test_ours_beside_the_printed_points_in_per_cent():
    """By hand: 0.055 and 0.0575 lie 10 and 15 % above a printed 0.05; a point that one side lacks is left out."""
    place = {"dataset": "mnist", "model": "inn", "recipe": "paper", "preset": "full", "image_size": ""}
    place |= {"precision": "fp32", "train_images": 60_000, "test_images": 10_000}
    runs = [{**place, "bottleneck": k, "seed": s, "test_l1": loss}
            for k, s, loss in ((4, 0, 0.055), (4, 1, 0.0575), (64, 0, 0.009), (2, 0, 0.07))]  # fmt: skip
    figure = figures.against_the_paper(publishing.table(pd.DataFrame(runs), PRINTED))
    (axes,) = figure.axes
    (dots,) = [line for line in axes.lines if line.get_label() == "INN"]
    assert dots.get_color() == figures.colour_of("INN")
    np.testing.assert_allclose(dots.get_xdata(), [4, 64])
    np.testing.assert_allclose(dots.get_ydata(), [12.5, -10])
    reading, seeds = ([one[:, 1] for one in lines.get_segments()] for lines in axes.collections)
    np.testing.assert_allclose(seeds, [[10, 15], [-10, -10]])
    np.testing.assert_allclose(reading, [[-0.8, 0.8], [-4, 4]])  # 0.0004 of 0.05 and of 0.01


def test_nothing_run_is_nothing_to_compare():
    none = publishing.table(publishing.published().iloc[:0], PRINTED)
    with pytest.raises(FigureError, match="no point that has been both run and printed"):
        figures.against_the_paper(none)


def line_of(axes, colour):
    """x and y of the one line of a colour that is no ring."""
    (found,) = [
        line
        for line in axes.get_lines()
        if not line.get_gid() and matplotlib.colors.same_color(line.get_color(), colour)
    ]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata(), dtype=float)


def rings(axes):
    return sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines() if line.get_gid() == "ring")


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_in_one_picture_each_curve_has_its_name_and_last_loss_beside_it():
    rows = publishing.published().query("dataset == 'mnist'")
    told = ["INN", "classic", "classic, tuned", "classic, late decay", "INN VAE, tuned"]
    figure = figures.in_one_picture(rows, told, publishing.read_printed(), smallest=6)
    (axes,) = figure.axes
    at_64 = figures.with_curves(rows[rows["bottleneck"] == 64]).groupby("curve")["test_l1"].mean()
    assert [text.get_text() for text in axes.texts] == [
        f"{curve}: {at_64[curve]:.4f}" for curve in ("INN", "classic", "classic, late decay", "classic, tuned")
    ]
    heights = [text.get_position()[1] for text in axes.texts]
    assert min(abs(a - b) for a, b in itertools.combinations(heights, 2)) > 0.07, "no two over each other"
    x, y = line_of(axes, figures.colour_of("INN"))
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]  # from 6 on
    inn = rows.query("model == 'inn' and recipe == 'paper' and bottleneck >= 6").groupby("bottleneck")["test_l1"].mean()
    assert x.tolist() == list(inn.index) and np.allclose(y, inn)
    assert len([line for line in axes.get_lines() if line.get_color() == figures.PAPER]) == 2, "INN and classic"
    said = " ".join(figure.get_supxlabel().split())
    assert (
        "Bottlenecks below 6 are left out. Grey: the authors' plots (INN solid, classic dashed). Late decay: " in said
    )
    assert "Tuned: " in said and "Tuned for classic" not in said and "Dotted" not in said
    short = rows.query("bottleneck < 48 or model != 'classic' or recipe != 'paper'")
    figure = figures.in_one_picture(
        short.query("bottleneck != 24"), ["INN", "classic", "classic 1024, tuned for classic"]
    )
    at_32 = rows.query("model == 'classic' and recipe == 'paper' and bottleneck == 32")["test_l1"].mean()
    (short_one,) = [text for text in figure.axes[0].texts if text.get_text() == f"classic: {at_32:.4f}"]
    assert short_one.arrow_patch is None and short_one.xy == pytest.approx((32, at_32)), "no line to a name far off"
    said = " ".join(figure.get_supxlabel().split())
    assert "Dotted: " in said and "Tuned for classic: " in said
    assert not any(word in said for word in ("Grey", "Late decay", "Tuned: ", "left out"))
    with pytest.raises(FigureError, match="no row of any of these curves"):
        figures.in_one_picture(rows, ["INN VAE, tuned"])
    with pytest.raises(FigureError, match="of one dataset"):
        figures.in_one_picture(publishing.published(), told)


def test_figure_5_draws_means_bands_and_pca():
    left, _ = figures.figure5(table()).axes
    for curve, height, offset in (("INN", 0.3, 0.005), ("classic", 0.3, 0.105), ("classic, late decay", 0.2, 0.105)):
        x, y = line_of(left, figures.colour_of(curve))
        assert x.tolist() == [2, 4, 8, 16, 32]
        assert np.allclose(y[:3], [height / k + offset for k in (2, 4, 8)])
        assert np.isnan(y[3:]).all(), "no run, no line"
    (pca,) = [line for line in left.get_lines() if line.get_linestyle() == "--"]
    assert np.allclose(pca.get_ydata()[:3], [0.4 / k for k in (2, 4, 8)]) and pca.get_marker() == "o"
    bands = [band for band in left.collections if isinstance(band, matplotlib.collections.PolyCollection)]
    assert len(bands) == 3
    heights = bands[0].get_paths()[0].vertices[:, 1]
    assert heights.max() - heights.min() == pytest.approx(0.3 / 2 - 0.3 / 8 + 0.01)
    assert labels(left) == ["INN", "classic", "classic, late decay", "PCA"]


def test_a_missing_bottleneck_in_the_middle_is_a_gap_and_a_single_point_has_a_marker():
    rows = table()
    left, _ = figures.figure5(rows[(rows["model"] == "inn") & (rows["bottleneck"] != 4)]).axes
    _, y = line_of(left, figures.colour_of("INN"))
    assert np.isnan(y).tolist() == [False, True, False, True, True]
    line, bridge = left.get_lines()
    assert line.get_marker() == "o" and line.get_markersize() > 2
    assert bridge.get_linestyle() == ":" and list(bridge.get_xdata()) == [2, 8], "where nothing has been run"
    assert "Dotted and coloured: bottlenecks in between have not been run." in " ".join(
        left.figure.get_supxlabel().split()
    )
    more = rows[rows["model"] == "inn"]
    more = pd.concat([more, more[more["bottleneck"] == 8].assign(bottleneck=16)])
    lines = figures.figure5(more[more["bottleneck"] != 4]).axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines if line.get_gid() == "bridge"] == [[2, 8]], "across the gap alone"
    whole = figures.figure5(rows[rows["model"] == "inn"])
    assert len(whole.axes[0].get_lines()) == 1 and "Dotted" not in whole.get_supxlabel(), "not run to its end is no gap"


def test_figure_5_draws_the_papers_points_thin_grey_and_told_apart():
    rows = table(dataset="mnist")
    left = figures.figure5(rows[rows["recipe"] != "late"], PRINTED).axes[0]
    grey = [line for line in left.get_lines() if line.get_color() == figures.PAPER and not line.get_gid()]
    assert [line.get_xdata().tolist() for line in grey] == [[1, 4, 64], [1, 12, 64]]
    assert np.allclose(grey[0].get_ydata(), [0.08, 0.05, 0.01])
    assert {line.get_marker() for line in grey} == {"D", "s"}
    assert max(line.get_linewidth() for line in grey) < min(
        line.get_linewidth() for line in left.get_lines() if line.get_marker() == "o" and line.get_linestyle() == "-"
    )
    assert labels(left) == ["INN", "classic", "PCA"], "one entry a curve, ours and the paper's side by side"
    assert rings(left) == [], "ours have no 64, and the paper's curves get none: they would lie around our points"


def test_where_curves_meet_the_inns_point_is_the_one_that_is_seen():
    rows = table()
    figure = figures.figure5(rows.assign(test_l1=0.3 / rows["bottleneck"]))
    figure.canvas.draw()
    left, _ = figure.axes
    across, up = np.rint(left.transData.transform((4, 0.075))).astype(int)
    seen = np.asarray(figure.canvas.buffer_rgba())[::-1][up, across, :3] / 255
    assert seen == pytest.approx(matplotlib.colors.to_rgb(figures.colour_of("INN")), abs=0.01)


def test_rings_lie_where_our_curves_saturate():
    rows = pd.concat([table(), table().query("bottleneck == 8").assign(bottleneck=32)])
    left, _ = figures.figure5(rows[rows["recipe"] == "paper"]).axes
    assert np.allclose(rings(left), [(8, 0.3 / 8 + 0.005), (8, 0.3 / 8 + 0.105)])


def test_parameters_are_counted_from_the_networks_run_or_not():
    for dataset in ("digits", "mnist"):
        rows = table(dataset=dataset)
        rows = rows[(rows["recipe"] != "late")]
        right = figures.figure5(rows).axes[1]
        for model in settings.DATASETS[dataset].models:
            x, y = line_of(right, figures.colour_of(settings.curve_title(model, "paper")))
            fixed, each = PARAMETERS[dataset, model]
            assert np.allclose(1e6 * y, [fixed + each * k for k in x])
            assert set(settings.DATASETS[dataset].bottlenecks) <= set(x.tolist())


def test_models_with_the_same_parameters_have_one_line():
    rows = table()
    both = pd.concat([rows[rows["model"] == "inn"], *(rows[rows["model"] == "classic"].assign(model=name) for name in (
        "classic", "classic_leaky"))])  # fmt: skip
    right = figures.figure5(both, picked=True).axes[1]
    assert len(right.get_lines()) == 2
    texts = [" ".join(text.get_text().split()) for text in right.texts]
    assert texts == ["INN 0.0767", "classic, classic leaky 0.396 to 0.403"]


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_the_data_sets_bottlenecks(log):
    for dataset, known in settings.DATASETS.items():
        figure, axes = plt.subplots(figsize=(3, 2))
        axes.plot([1, known.bottlenecks[-1]], [0, 1])
        figures.set_bottlenecks(axes, known.bottlenecks, log)
        both = [*axes.xaxis.get_majorticklocs(), *axes.xaxis.get_minorticklocs()]
        assert sorted(both) == list(known.bottlenecks), dataset
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
        assert len(boxes) > 2
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes)), f"numbers of {dataset} touch"


@pytest.mark.parametrize("log", [False, True])
def test_no_numbers_touch_in_the_sheet(log):
    figure = figures.sheet(table()[:0], log=log)
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
        assert len(boxes) > 2 and all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes)), axes.get_title(loc="left")
    mnist = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert not log or mnist == [str(k) for k in settings.DATASETS["mnist"].bottlenecks], "all have room"


def test_the_sheet_has_six_panels_with_no_run_at_all():
    printed = publishing.read_printed()
    figure = figures.sheet(table()[:0], printed)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title[:3] for title in titles] == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    assert [title[4:].split(":")[0] for title in titles[::2]] == ["MNIST", "CIFAR-10", "CelebA"]
    for axes, name in zip(figure.axes[::2], ("mnist", "cifar10", "celeba"), strict=True):
        drawn = {tuple(line.get_ydata()) for line in axes.get_lines() if not line.get_gid()}
        curves = printed[printed["dataset"] == name].sort_values("bottleneck").groupby("model")["test_l1"]
        assert drawn == {tuple(points) for _, points in curves}
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert left.get_xlim() == right.get_xlim()


def test_of_the_papers_own_curves_no_other_model_or_recipe_or_length_is_left():
    rows = publishing.published()
    own = figures.of_the_paper(rows)
    for dataset, part in own.groupby("dataset"):
        more = {"inn_thesis"} if dataset == "cifar10" else set()
        assert set(part["model"]) == {*settings.DATASETS[dataset].models, "pca"} | more, dataset
    assert set(own[own["model"] != "pca"]["recipe"]) == {"paper"}
    models = ["inn", "classic", "classic_1024", "classic_2048", "classic_deep", "inn_thesis"]
    assert len(own) == (rows["model"].isin(models) & (rows["recipe"] == "paper") | (rows["model"] == "pca")).sum()
    mine = rows.query("dataset == 'mnist' and model == 'inn' and recipe == 'paper'")
    assert figures.of_the_paper(mine.assign(recipe="paper-epochs5")).empty
    assert figures.of_the_paper(rows[:0]).empty


def test_lfw_takes_celebas_place_and_is_not_compared_with_celebas_curve():
    faces = table(dataset="lfw", image_size="156x128")
    faces = faces[faces["recipe"] == "paper"]
    figure = figures.sheet(faces, publishing.read_printed())
    assert figure.axes[4].get_title(loc="left") == "(e) LFW: reconstruction"
    assert not [line for line in figure.axes[4].get_lines() if line.get_color() == figures.PAPER]
    assert labels(figure.axes[4]) == ["INN", "classic, 156x128"]
    written = [text.get_text().split("\n")[0] for text in figure.axes[5].texts]
    assert written == ["INN", "classic, 156x128"], "what has no run at its own size is not what is compared"
    assert figures.sheet_of(pd.concat([faces, faces.assign(dataset="celeba")]))[-1] == "celeba"


def test_the_caption_counts_what_is_there_and_what_is_not():
    (_, said) = figures.caption(table(), None, ["digits"])
    assert said == "digits (8 x 8): 18 of 30 runs there, 12 missing (3 curves x 5 bottlenecks x 2 seeds)."
    more = pd.concat([table(), table().query("bottleneck == 8").assign(bottleneck=5)])
    (_, said) = figures.caption(more, None, ["digits"])
    beside = "6 more of other seeds, settings or models."
    assert f"18 of 30 runs there, 12 missing (3 curves x 5 bottlenecks x 2 seeds); {beside}" in said
    (_, nothing) = figures.caption(table()[:0], None, ["mnist"])
    assert nothing == "MNIST: 0 of 60 runs there, 60 missing (5 curves x 12 bottlenecks x 1 seed)."


def test_the_caption_counts_a_sweep_of_faces_at_the_size_it_has():
    known = settings.DATASETS["lfw"]
    runs = [(model, k) for model in ("inn", "classic") for k in known.bottlenecks[:3]]
    rows = pd.DataFrame(
        [{"dataset": "lfw", "model": model, "recipe": "paper", "bottleneck": k, "seed": 0, "preset": "full",
          "image_size": "156x128", "test_l1": 0.1, "train_images": 3200, "test_images": 800} for model, k in runs]
    )  # fmt: skip
    (_, said) = figures.caption(rows, None, ["lfw"])
    assert "6 of 14 runs there, 8 missing (2 curves x 7 bottlenecks x 1 seed) at image size common." in said
    assert "Trained on 3,200 images and tested on 800." in said
    rows.loc[rows["model"] == "classic", "image_size"] = "218x178"
    (_, said) = figures.caption(rows.assign(train_images=known.images[0], test_images=known.images[1]), None, ["lfw"])
    assert "8 missing (2 curves x 7 bottlenecks x 1 seed) at image size authors." in said and "Trained on" not in said
    extra = rows.assign(train_images=10_586, test_images=[2647] * 5 + [8])
    (_, said) = figures.caption(extra, None, ["lfw"])
    assert "Trained on 10,586 images and tested on 8 or 10,586 images and tested on 2,647." in said


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("losses", [(0.5, 0.3, 0.2, 0.15, 0.1), (0.3, 0.3, 0.3, 0.3, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)])
def test_no_line_runs_through_the_legend(log, losses):
    one = table().query("seed == 0 and bottleneck == 2")
    every = [one.assign(bottleneck=k, test_l1=loss) for k, loss in zip((2, 4, 8, 16, 32), losses, strict=True)]
    figure = figures.figure5(pd.concat(every), log=log)
    figure.canvas.draw()
    axes = figure.axes[0]
    box = axes.get_legend().get_window_extent()
    middle = axes.transAxes.inverted().transform([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    assert axes.get_xscale() == axes.get_yscale() == ("log" if log else "linear")
    assert (middle < 0.5).all() if log else (middle > 0.5).all(), "falling curves leave the lower left free on log axes"
    for line in axes.lines:
        if line.get_gid() != "ring":
            path = line.get_path().interpolated(100).transformed(line.get_transform())
            assert not any(box.contains(*point) for point in path.vertices if np.isfinite(point).all())


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_long_legend_lies_below_its_panels_and_is_seen_whole(log, whole):
    rows, printed = publishing.published(), publishing.read_printed()
    mnist = rows[rows["dataset"] == "mnist"]
    figure = figures.sheet(rows, printed, log) if whole else figures.figure5(mnist, printed, log)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.axison]
    place = panels[0].get_legend().get_window_extent()
    height = figures.strip_height(figures.with_curves(mnist), printed[printed["dataset"] == "mnist"])
    assert height == pytest.approx(0.15 + 0.19 * math.ceil(len(labels(panels[0])) / figures.LEGEND_COLUMNS))
    assert labels(panels[0])[:2] == ["INN", "classic"] and len(labels(panels[0])) > figures.SHORT_LEGEND
    assert len(panels) == (6 if whole else 2), "an empty strip is no panel"
    assert place.x0 > 0 and place.x1 < figure.bbox.x1, "nothing is cut off"
    for axes in panels:  # the box of the first is without its legend, which is out of the layout
        assert not place.overlaps(axes.get_tightbbox()), axes.get_title(loc="left")
    assert place.y0 > figure._supxlabel.get_window_extent().y1, "above the caption"
    low, high = panels[0].get_ylim()
    largest = mnist["test_l1"].max()
    assert high < 1.3 * largest and (0.7 * mnist["test_l1"].min() < low if log else low == 0), "curves fill the panel"


def test_the_caption_says_what_was_not_made_alike():
    rows = table(precision="fp32", commit="aaaaaaaaaa")
    alike = figures.caption(rows, None, ["digits"])[1]
    assert "recision" not in alike and "commit" not in alike
    rows.loc[rows["model"] == "inn", "precision"] = "bf16"
    rows.loc[(rows["recipe"] == "late") & (rows["seed"] == 1), "commit"] = "bbbbbbbbbb"
    said = figures.caption(rows, None, ["digits"])[1]
    assert "Precision of training: bf16 (INN); fp32 (classic; classic, late decay)." in said
    assert "Made by more than one commit, which the rows name." in said
    rows.loc[(rows["model"] == "inn") & (rows["seed"] == 1), "precision"] = "fp32"
    assert "Precision of training: bf16 or fp32, each row says which." in figures.caption(rows, None, ["digits"])[1]
    faces = table(dataset="celeba", image_size="156x128").query("recipe == 'paper'")
    faces.loc[faces["model"] == "classic", "image_size"] = "218x178"
    assert "Sizes of the images: 156x128 (INN); 218x178 (classic)." in figures.caption(faces, None, ["celeba"])[1]


def test_quick_rows_are_marked_and_never_drawn_with_full_ones():
    assert "not a result" in figures.figure5(table(preset="quick")).axes[0].get_title(loc="left")
    mixed = pd.concat([table(), table(preset="quick")])
    for draw in (figures.figure5, figures.sheet):
        with pytest.raises(FigureError, match="one preset, and these rows have full, quick"):
            draw(mixed)


def test_rows_of_two_data_sets_or_none_are_refused():
    with pytest.raises(FigureError, match="one dataset"):
        figures.figure5(pd.concat([table(), table(dataset="mnist")]))
    with pytest.raises(FigureError, match="none"):
        figures.figure5(table()[:0])
    only_pca = table()
    with pytest.raises(FigureError, match="no row of a trained model"):
        figures.figure5(only_pca[only_pca["model"] == "pca"])


def test_a_curves_colour_is_its_own_whatever_its_size():
    assert len({figures.colour_of(curve) for curve in figures.CURVES}) == len(figures.CURVES)
    every = {
        settings.curve_title(model, recipe)
        for dataset, its_models in settings.MODELS.items()
        for model in its_models
        for recipe in settings.recipes_of(dataset, model)
    }
    assert every <= {*figures.CURVES}, "what can be trained can be drawn"
    assert figures.colour_of("classic, 156x128") == figures.colour_of("classic")
    assert figures.face_of("classic, 156x128", "lfw") != figures.face_of("classic", "lfw")


def drawn_in(axes):
    return axes.images[0].get_array()


def test_figure_6_shows_input_reconstruction_and_signed_difference():
    rng = np.random.default_rng(0)
    x = rng.random((7, 1, 8, 8))
    blocks = {"INN": {"x": x, "x_hat": x}, "classic": {"x": x, "x_hat": np.zeros_like(x)}}
    figure = figures.figure6(blocks, count=6)
    assert [axes.get_title(loc="left") for axes in figure.axes[2:4]] == ["INN", "classic"]
    image = np.s_[:, :8]
    pictures = [drawn_in(axes) for axes in figure.axes]
    assert np.allclose(pictures[0][image], x[0, 0]) and np.allclose(pictures[2][image], x[0, 0])
    assert np.allclose(pictures[4][image], 0), "no colour where the reconstruction is right"
    assert np.allclose(pictures[5][image], x[0, 0]), "99.5 % of the differences lie within 1.00"
    assert figure.axes[5].images[0].get_clim() == (-1, 1)
    assert pictures[0].shape == (8, 6 * 8 + 5) and pictures[5].mask[:, 8].all(), "white between images"
    assert "full colour at 1.00 and beyond" in figure.get_supxlabel()


def test_figure_6_enlarges_the_difference_of_colour_images_and_says_so():
    x = np.full((6, 3, 8, 8), 0.5)
    x_hat = x.copy()
    x_hat[:, 0] += 0.1
    figure = figures.figure6({"INN": {"x": x, "x_hat": x_hat}})
    pixel = drawn_in(figure.axes[2])[0, 0]
    assert np.allclose(pixel, [0, 0.5, 0.5]), "red too bright by as much as the full colour stands for"
    assert "multiplied by 10" in figure.get_supxlabel()


def test_figure_6_wraps_its_blocks():
    x = np.zeros((6, 1, 8, 8))
    figure = figures.figure6({name: {"x": x, "x_hat": x} for name in "abcde"})
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == list("abcde")
    labels = ["input", *["reconstruction", "difference"] * 3]
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == labels
    assert sum(bool(axes.images) for axes in figure.axes) == 2 + 5 * 2, "the input once in a column"


def test_figure_6_takes_sizes_that_differ_and_refuses_different_images_and_none():
    x = np.zeros((3, 3, 16, 8))
    small = x[:, :, :8]
    beside = {"classic": {"x": x, "x_hat": x}, "INN": {"x": small, "x_hat": small}}
    again = {"late": beside["classic"], "other": beside["INN"], "tuned": beside["INN"]}
    figure = figures.figure6({**beside, **again})
    labels = ["input", *["reconstruction", "difference"] * 2, "input", "reconstruction", "difference"]
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == labels, "the input again where the size changes"
    with pytest.raises(FigureError, match="different images"):
        figures.figure6({"INN": {"x": x, "x_hat": x}, "classic": {"x": x + 1, "x_hat": x}})
    with pytest.raises(FigureError, match="no run"):
        figures.figure6({})


def test_errors_are_drawn_by_row_and_a_dot_ends_what_the_inn_keeps_at_first():
    rng = np.random.default_rng(0)
    x = rng.random((5, 3, 8, 4))
    off = np.arange(1, 9).reshape(8, 1) / 100  # every row by as much as its number says
    blocks = {(curve, k): {"x": x, "x_hat": x + off * k} for curve in ("classic", "INN") for k in (2, 8, 32, 48)}
    figure = figures.error_by_row(blocks, most=3, seed=0)
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["INN", "classic"]
    lines = {line.get_label(): line for line in right.lines}
    assert list(lines) == ["$k$ = 8", "$k$ = 32", "$k$ = 48"], "the three largest; no dot in a classic panel"
    assert lines["$k$ = 8"].get_ydata() == pytest.approx(8 * off.ravel())
    dots = [line for line in left.lines if line.get_marker() == "o"]
    assert [(dot.get_xdata()[0], round(dot.get_ydata()[0], 6)) for dot in dots] == [(2, 0.16), (8, 2.56)]
    for curve in ("classic", settings.MODEL_TITLES[settings.THESIS]):  # the latter starts with other numbers
        undotted = figures.error_by_row({(curve, k): block for (_, k), block in blocks.items()})
        assert not [line for line in undotted.axes[0].lines if line.get_marker() == "o"]
        assert "White dots" in figure.get_supxlabel() and "White dots" not in undotted.get_supxlabel()
    with pytest.raises(figures.FigureError, match="no run"):
        figures.error_by_row({})


def test_a_bottleneck_has_one_shade_in_all_panels_and_no_line_reaches_the_legend():
    x = np.random.default_rng(0).random((2, 1, 8, 8))
    block = {"x": x, "x_hat": x + np.linspace(0, 1, 8).reshape(8, 1)}
    thesis = settings.MODEL_TITLES[settings.THESIS]
    sizes = {"INN": (8, 16, 32), "classic": (8, 32), thesis: (16,)}
    figure = figures.error_by_row({(curve, k): block for curve, ks in sizes.items() for k in ks})
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(sizes)
    shades = [
        {line.get_label(): line.get_alpha() for line in axes.lines if line.get_label()[0] == "$"}
        for axes in figure.axes
    ]
    inn, classic, other = shades
    assert sorted(inn.values()) == list(inn.values()), "the darker, the larger"
    assert classic.items() < inn.items() and other.items() < inn.items()
    figure.draw_without_rendering()
    for axes in figure.axes:
        lowest = axes.transData.inverted().transform(axes.get_legend().get_window_extent().min)[1]
        assert lowest > 1, "the largest error of all panels"


def test_a_figure_is_saved_as_pdf_and_png_without_a_date(tmp_path):
    read = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        paths = figures.save(figures.figure5(table()), folder, "digits/figure5")
        assert paths == [folder / "digits" / "figure5.pdf", folder / "digits" / "figure5.png"]
        assert sorted(paths[0].parent.iterdir()) == paths, "and nothing half-written beside them"
        read.append([path.read_bytes() for path in paths])
    assert read[0] == read[1] and b"CreationDate" not in read[0][0]
    assert read[0][0].startswith(b"%PDF") and read[0][1].startswith(b"\x89PNG")


def test_pdf_text_stays_text():
    assert plt.rcParams["pdf.fonttype"] == 42


def test_curves_can_be_picked():
    rows = table(dataset="mnist", bottleneck=table()["bottleneck"])
    rows = pd.concat([rows, table(dataset="mnist", recipe="paper-epochs5")])
    trained = rows[rows["model"] != "pca"]
    assert set(figures.only(rows, ["inn"])["model"]) == {"inn", "pca"}
    assert set(figures.only(trained, recipes=["paper"])["recipe"]) == {"paper", "paper-epochs5"}
    late = figures.only(trained, ["classic"], ["late"])
    assert set(late["model"]) == {"classic"} and set(late["recipe"]) == {"late"}
    assert len(figures.only(rows)) == len(rows)
    left, right = figures.figure5(figures.only(rows, ["classic"], ["late"]), picked=True).axes
    assert labels(left) == ["classic, late decay", "PCA"]
    assert [text.get_text().split("\n")[0] for text in right.texts] == ["classic"], "parameters of the others, too"
    (_, said) = figures.caption(figures.only(rows, ["classic"]), None, ["mnist"], picked=True)
    assert "(1 curve x 12 bottlenecks x 1 seed)" in said, "a sweep's own; neither late nor the shorter runs of `paper`"
    named = [table(dataset="mnist", model=model, recipe="paper") for model in ("inn", "inn_relu")]
    (_, said) = figures.caption(pd.concat(named), None, ["mnist"], picked=True)
    assert "(2 curves x 12 bottlenecks x 1 seed)" in said, "a variant that is in no sweep, too"
    variational = table(model="inn_vae", recipe="paper")
    left, right = figures.figure5(figures.only(variational, ["inn_vae"]), picked=True).axes
    assert labels(left)[0] == "INN VAE" and right.texts[0].get_text().startswith("INN VAE")


def test_runs_with_epochs_or_weights_of_their_own_are_curves_in_the_colour_of_the_recipes():
    own = table(recipe="paper-epochs5-reconstruction2.0", epochs=5)
    own = own[own["model"] == "inn"]
    both = pd.concat([table(), own])
    names = ["INN", "INN, 5 epochs, reconstruction x 2", "classic", "classic, late decay"]
    assert figures.drawn(both[both["model"] != "pca"]) == names
    left = figures.figure5(both).axes[0]
    assert set(names) < set(labels(left))
    faces = [line.get_markerfacecolor() for line in left.lines if line.get_color() == figures.colour_of("INN")]
    assert "white" in faces and figures.colour_of("INN") in faces
    lengths = [table(recipe=f"paper-epochs{n}", epochs=n) for n in (5, 10)]
    three = pd.concat([both, *(length[length["model"] == "inn"] for length in lengths)])
    drawn = figures.drawn(three[three["model"] != "pca"])
    assert drawn[:4] == ["INN", "INN, 5 epochs", "INN, 5 epochs, reconstruction x 2", "INN, 10 epochs"]
    assert len({str(figures.told_apart(curve, drawn)) for curve in drawn[1:4]}) == 3, "told apart"
    assert figures.told_apart("classic, late decay", drawn) == {}
    for curve in ("INN, tuned, 5 epochs", "INN, 5 epochs"):
        style = figures.marker_of(curve)
        assert figures.face_of(curve, "digits") == figures.face_of(curve, "images") == "white"
        assert "markeredgecolor" not in style, "white on white"
    assert "more of other seeds, settings or models" in figures.caption(both, None, ["digits"])[1]


def test_a_dot_on_a_star_is_seen():
    both = pd.concat([table(), table(model="classic", recipe="tuned"), table(model="inn", recipe="double_lr")])
    left = figures.figure5(both).axes[0]
    lines = {line.get_color(): line for line in left.lines if line.get_marker() != "None"}
    star, dot = (lines[figures.colour_of(curve)] for curve in ("classic, tuned", figures.FASTER))
    assert dot.get_zorder() > star.get_zorder() and dot.get_markersize() < star.get_markersize() / 2, "on top, smaller"


def test_curves_with_pictures_of_their_own_are_named_and_not_drawn():
    aside = pd.concat([table(model="inn_vae", recipe="paper"), table(recipe="no_padding", model="inn")])
    both = pd.concat([table(), aside])
    assert figures.drawn(both[both["model"] != "pca"]) == ["INN", "classic", "classic, late decay"]
    assert any(
        "Not drawn: INN VAE; INN, no zero-padding loss." in line for line in figures.caption(both, None, ["digits"])
    )
    assert figures.drawn(aside) == ["INN VAE", "INN, no zero-padding loss"]
    late = table(model="classic_vae", recipe="late").assign(precision="bf16")
    said = " ".join(figures.caption(pd.concat([table().assign(precision="fp32"), late]), None, ["digits"]))
    assert "Not drawn: classic VAE." in said and "Precision" not in said, "of what is drawn alone"
