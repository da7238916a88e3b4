"""Operations counted against those of every layer, by hand."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import published
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from innae_utils import cost, figures, models, sensitivity, settings, study_figures


def by_hand(model, dataset, bottleneck):
    """FLOP a step and image: forward, as much for the weights' gradient, and for the input's where there is one."""
    network, total = models.build(model, dataset, bottleneck).train(), 0
    shape = settings.spec_of(dataset, model).shape

    def count(layer, inputs, output):
        nonlocal total
        moved = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output  # each weight is used once a pixel of it
        total += 2 * layer.weight.numel() * moved[0, 0].numel() * (2 + inputs[0].requires_grad)

    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    network(torch.rand(2, *shape))
    if model == "inn":  # Haar: four products a pixel; down and up, there and back, all but the first with a gradient
        total += (1 + 3 * 2) * 2 * 4 * settings.dim_of(settings.spec_of(dataset, model))
    return total


@pytest.mark.parametrize(
    ("model", "dataset", "bottleneck"),
    [
        ("classic", "mnist", 12),
        ("classic_deep", "mnist", 64),
        ("classic", "cifar10", 64),
        ("inn", "digits", 8),
        ("inn", "mnist", 12),
        ("inn", "cifar10", 64),
    ],
)
def test_a_step_is_counted_as_its_layers(model, dataset, bottleneck):
    assert cost.step_flops(model, dataset, bottleneck) == by_hand(model, dataset, bottleneck)


def test_a_training_is_all_batches_of_all_epochs():
    """The recipes drop what is left over by the last whole batch, 96 of MNIST's 60,000 images."""
    each = cost.step_flops("classic", "mnist", 64)
    assert cost.training_flops("classic", "mnist", 64) == 100 * 468 * 128 * each
    assert cost.training_flops("classic", "mnist", 64, "tuned") == 150 * 468 * 128 * each
    assert cost.training_flops("classic", "mnist", 64, images=300) == 100 * 256 * each
    assert cost.training_flops("inn", "digits", 8) == 30 * 44 * 32 * cost.step_flops("inn", "digits", 8)


def test_of_a_folder_of_images_their_number_is_needed():
    with pytest.raises(settings.ParameterError, match="images: how many images has .* not known; give their number"):
        cost.training_flops("inn", "images", 8, image_size="32,32")
    each = cost.step_flops("inn", "images", 8, image_size="32,32")
    recipe = settings.find_recipe("images", "inn", "paper")
    assert cost.training_flops("inn", "images", 8, image_size="32,32", images=100) == recipe.epochs * 100 * each


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(settings.ParameterError, match="images: 100 do not make a batch; allowed: 128 or more"):
        cost.training_flops("classic", "mnist", 64, images=100)


@pytest.mark.parametrize("path", sorted((settings.PROJECT / "benchmarks" / "results").glob("amd-*.json")), ids=str)
def test_as_many_operations_as_the_benchmarks_counted_of_a_textbook_step(path):
    """Of FrEIA's own blocks and loops of torch (`benchmarks/baseline.py`), on real numbers; faces among them."""
    cases = json.loads(path.read_text())["cases"]
    assert cases
    for case in cases:
        dataset, model = case["case"].split("-")
        each = case["gflop_a_step"] * 1e9 / case["batch"]
        assert cost.step_flops(model, dataset, 64) == pytest.approx(each, rel=1e-9), case["case"]


def test_a_distribution_loss_compares_every_two_images_of_a_batch():
    """The MMD takes three products of samples (y with y, y with p, p with p), and as many backward as y is in."""
    plain, mmd = (cost.step_flops(model, "mnist", 64, "late") for model in ("classic", "classic_mmd"))
    assert mmd - plain == 6 * 2 * 128 * 64, "for each image, of k numbers with those of the 128 of a batch"


def test_the_evaluation_at_the_end_is_small_beside_the_inns_training():
    """Forward and inverse of 70,000 images, where ten epochs are forward, inverse and backward of 600,000."""
    network = models.build("inn", "mnist", 64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 1, 28, 28))
    assert round(counter.get_total_flops() * 70_000 / cost.training_flops("inn", "mnist", 64), 2) == 0.04


def test_a_study_costs_what_its_finished_trials_do():
    trials = pd.DataFrame({"epochs": [50, 125, 100], "state": ["finished", "finished", "failed"]})
    trials = trials.assign(dataset="mnist", model="classic", bottleneck=64, train_images=50_000)
    each = cost.step_flops("classic", "mnist", 64)
    assert cost.study_flops(trials) == (50 + 125) * 390 * 128 * each


def some_rows():
    """Two seeds of a curve at 8 and 32, one run of another and PCA at 32."""
    return pd.concat([
        published(bottleneck=8, test_l1=0.2), published(bottleneck=32, test_l1=0.1),
        published(bottleneck=32, seed=1, test_l1=0.3),
        published(model="classic", recipe="late", bottleneck=32, test_l1=0.15, epochs=100),
        published(model="pca", recipe="exact", bottleneck=32, test_l1=0.25),
    ], ignore_index=True)  # fmt: skip


def test_the_table_has_a_line_a_curve_where_most_curves_are():
    table = cost.table(some_rows()).set_index(["model", "recipe"])
    assert list(table.index) == [("inn", "paper"), ("classic", "late"), ("pca", "exact")]
    assert set(table["bottleneck"]) == {32} and table["runs"].tolist() == [2, 1, 1]
    assert table.loc[("inn", "paper"), ["smallest", "mean", "largest"]].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert table.loc[("inn", "paper"), "tflop"] == cost.training_flops("inn", "digits", 32) / 1e12
    assert table.loc[("classic", "late"), "tflop"] == cost.training_flops("classic", "digits", 32, "late") / 1e12
    assert np.isnan(table.loc[("pca", "exact"), "tflop"])


def test_a_change_has_a_line_only_if_it_ran_in_full_and_beats_every_recipe_of_its_model():
    changes = pd.DataFrame(columns=list(sensitivity.COLUMNS))
    for change, epochs, loss in (("as it is", 30, 0.2), ("batch x 2", 30, 0.19), ("learning rate x 2", 30, 0.05),
                                 ("schedule x 2", 60, 0.01), ("weight decay 0", 24, 0.01)):  # fmt: skip
        place = {
            "dataset": "digits",
            "model": "inn",
            "bottleneck": 32,
            "seed": 0,
            "preset": "full",
            "train_images": 1437,
        }
        changes.loc[len(changes)] = {**place, "change": change, "epochs": epochs, "test_l1": loss}
    (line,) = cost.table(some_rows(), changes).query("change != ''").to_dict("records")
    assert (line["model"], line["change"], line["mean"], line["runs"]) == ("inn", "learning rate x 2", 0.05, 1)
    assert line["tflop"] == cost.training_flops("inn", "digits", 32) / 1e12
    none = cost.table(some_rows(), changes.assign(test_l1=0.2))
    assert not none["change"].any(), "0.2 is what the recipe has"
    lost = pd.concat([changes, changes.assign(seed=1, test_l1=float("nan"))])
    assert not cost.table(some_rows(), lost)["change"].any(), "one of its runs diverged"
    half = changes.assign(epochs=changes["epochs"].mask(changes["change"] == "schedule x 2", 30))
    assert set(cost.table(some_rows(), half)["change"]) == {"", "learning rate x 2"}, "half of a stretched schedule"


def test_images_of_two_sizes_are_two_lines():
    run = {"dataset": "lfw", "model": "classic", "bottleneck": 64, "epochs": 10, "train_images": 9000}
    sizes = {"218x178": 0.1, "156x128": 0.3}
    rows = pd.concat([published(**run, image_size=size, test_l1=loss) for size, loss in sizes.items()])
    table = cost.table(rows).set_index("image_size")
    assert table["mean"].to_dict() == sizes
    expected = cost.training_flops("classic", "lfw", 64, image_size="common", images=9000) / 1e12
    assert table.loc["156x128", "tflop"] == expected < table.loc["218x178", "tflop"]


def test_a_recipe_that_is_not_known_here_is_left_out():
    """A study need not be published: `tuned` rows of one's own."""
    unknown = published(
        dataset="cifar10", model="classic", recipe="tuned", bottleneck=64, train_images=50_000, image_size="32x32"
    )
    known = unknown.assign(recipe="paper")
    assert list(cost.table(pd.concat([unknown, known]))["recipe"]) == ["paper"]
    nothing = cost.table(unknown)
    assert nothing.empty and list(nothing.columns) == list(cost.COLUMNS)
    with pytest.raises(figures.FigureError, match="no row of a trained model"):
        study_figures.costs(nothing)


@pytest.mark.usefixtures("style")
def test_every_point_of_the_picture_has_its_name_and_none_lies_on_another():
    """Points of one place among them: what is near has its name on another side."""
    table = cost.table(some_rows())
    twin = table[table["model"] == "inn"].assign(model="inn_relu")
    figure = study_figures.costs(pd.concat([table, twin, twin.assign(model="inn", change="learning rate x 2")]))
    (axes,) = figure.axes
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(names) == {"INN", "INN with ReLUs", "INN, learning rate x 2", "classic, late decay", "PCA"}
    for one, other in itertools.combinations(names.values(), 2):
        assert not one.overlaps(other)
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    at = [dot.get_xydata()[0].tolist() for dot in dots]
    wanted = table.loc[table["model"] != "pca", ["tflop", "mean"]].to_numpy().tolist()
    assert len(at) == 4 and all(place in at for place in wanted)
    for x, y in axes.transData.transform(at):
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for box in names.values()), "over a point"
    assert [dot.get_markerfacecolor() for dot in dots].count("white") == 1, "the change"
    ranges = [line.get_paths()[0].vertices[:, 1].tolist() for line in axes.collections]
    assert [0.1, 0.3] in [[round(y, 6) for y in ends] for ends in ranges], "the two seeds of the INN"
    said = " ".join(figure.get_supxlabel().split())
    assert "White: " in said and "PCA is not trained by steps" in said and "Tuned: " not in said


@pytest.mark.usefixtures("style")
def test_a_name_beside_the_line_of_pca_stands_above_it():
    rows = some_rows()
    rows.loc[rows["model"] == "pca", "test_l1"] = 0.2  # the INN's mean
    (axes,) = study_figures.costs(cost.table(rows)).axes
    (name,) = (text.get_window_extent() for text in axes.texts if text.get_text() == "INN")
    assert name.y0 > axes.transData.transform((1, 0.2))[1]


@pytest.mark.usefixtures("style")
def test_curves_of_one_cost_have_a_picture():
    rows = pd.concat([published(model="classic", recipe=recipe, bottleneck=32) for recipe in ("paper", "late")])
    low, high = study_figures.costs(cost.table(rows)).axes[0].get_xlim()
    assert low < cost.training_flops("classic", "digits", 32) / 1e12 < high
