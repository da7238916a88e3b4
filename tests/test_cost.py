"""Operations counted against those of every layer, by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import published
from torch import nn

from innae_utils import cost, figures, models, sensitivity, settings


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


@pytest.mark.usefixtures("style")
def test_every_point_of_the_picture_has_its_name_and_none_lies_on_another():
    """Points of one place among them: what is near has its name on another side."""
    table = cost.table(some_rows())
    twin = table[table["model"] == "inn"].assign(model="inn_relu")
    figure = figures.costs(pd.concat([table, twin, twin.assign(model="inn", change="learning rate x 2")]))
    (axes,) = figure.axes
    names = {text.get_text(): text for text in axes.texts}
    assert set(names) == {"INN", "INN with ReLUs", "INN, learning rate x 2", "classic, late decay", "PCA"}
    for one, other in itertools.combinations(names.values(), 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent()), (one, other)
    at = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_linestyle() == "None"]
    wanted = table.loc[table["model"] != "pca", ["tflop", "mean"]].to_numpy().tolist()
    assert len(at) == 4 and all(place in at for place in wanted)
    assert "PCA is not trained by steps" in " ".join(figure.get_supxlabel().split())
