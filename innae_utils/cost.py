"""What a training costs in computing: counted, not timed, and so the same on every machine.

Epochs do not compare a convolutional INN with a fully connected autoencoder, nor do parameters, and seconds are a
machine's. Floating-point operations (FLOP; an addition is one, and a multiplication) of matrix products and
convolutions are nearly all there is. How fast a machine gets through them is another matter.

References: PaLM (Chowdhery et al. 2022, appendix B), for counting the operations that a model needs and not those that
an implementation happens to make; https://docs.pytorch.org/docs/stable/torch.utils.flop_counter.html.
"""

from functools import cache

import torch

from innae_utils import models, settings, train


@cache
def step_flops(model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "") -> int:
    """FLOP of one training step for each image of the batch: forward, for an INN inverse, and backward.

    Nothing is computed and no memory is taken: the tensors have shapes and no values.

    Args: as for `models.build`; recipe: a name that the model has.

    Example:
        >>> step_flops("classic", "mnist", 12)  # six times the weights, less what the first layer need not pass on
        5998592
    """
    from torch.utils.flop_counter import FlopCounterMode

    found = settings.find_recipe(dataset, model, recipe)
    with torch.device("meta"):
        network = models.build(model, dataset, bottleneck, image_size=image_size).train()
        batch = torch.empty(2, *settings.spec_of(dataset, model, image_size).shape)  # batch norm refuses one alone
        with FlopCounterMode(display=False) as counter:
            train.step(network, batch, found, train.make_optimizer(network, found))
    return counter.get_total_flops() // len(batch)


def training_flops(
    model: str, dataset: str, bottleneck: int, recipe: str = "paper", image_size: str = "", images: int | None = None
) -> int:
    """FLOP of a whole training: every epoch of the recipe, every batch.

    Args: as for `step_flops`; images: how many there are for training, None for as many as the data set has.

    Raises settings.ParameterError for a folder of own images if `images` is None.

    Example:
        >>> [round(training_flops(model, "mnist", 64) / 1e12) for model in ("inn", "classic")]  # TFLOP
        [783, 36]
    """
    found, known = settings.find_recipe(dataset, model, recipe), settings.DATASETS[dataset].images
    if images is None and not known:
        raise settings.ParameterError(f"images: how many {dataset} has for training is not known; give their number")
    count = known[0] if images is None else images
    if found.drop_last:
        count -= count % found.batch_size
    return found.epochs * count * step_flops(model, dataset, bottleneck, recipe, image_size)
