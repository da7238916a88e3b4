"""Operations counted against those of every layer, by hand."""

import pytest
import torch
from torch import nn

from innae_utils import cost, models, settings


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
