"""A name -> a network."""

import os
from pathlib import Path

import torch
from torch import nn

from innae_utils import classic, results, settings
from innae_utils.bottleneck import InvertibleAutoencoder


def build(model: str, dataset: str, bottleneck: int, seed: int | None = None, image_size: str = "") -> nn.Module:
    """A freshly initialised model, float32, on the CPU.

    Args:
        model: a name in `settings.MODELS[dataset]`; `inn` or `classic` for `images`.
        dataset: a name in `settings.DATASETS`.
        bottleneck: k, 1 to D.
        seed: seeds torch's generator first, so that the same seed gives the same weights; None leaves it alone.
        image_size: as for `settings.spec_of`: `authors` or `common` for faces, H,W for own images.

    Raises:
        settings.ParameterError: an unknown name or size, or a bottleneck out of range.

    Example:
        >>> n_params(build(model="inn", dataset="mnist", bottleneck=12))
        1121192
    """
    spec = settings.spec_of(dataset, model, image_size)
    dim = settings.dim_of(spec)
    settings.stop_if(settings.check_number("bottleneck", bottleneck, 1, dim, f"1 to D = {dim}"), "The model")
    if seed is not None:
        torch.manual_seed(seed)
    if isinstance(spec, settings.InnSpec):
        from innae_utils import inn  # FrEIA brings SciPy along, which a classic run should not wait for

        return InvertibleAutoencoder(inn.build(spec), spec.shape, bottleneck)
    return classic.build(spec, bottleneck)


def n_params(model: nn.Module) -> int:
    """The number of trainable parameters; FrEIA's frozen Haar kernels do not count."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def load(folder: str | os.PathLike) -> nn.Module:
    """The trained model of a finished run's folder, float32, on the CPU, in evaluation mode.

    Raises results.ResultError if the run did not finish.
    """
    from safetensors.torch import load_file

    row = results.read_row(Path(folder) / "result.json")
    model = build(row["model"], row["dataset"], row["bottleneck"], image_size=row["image_size"])
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.eval()
