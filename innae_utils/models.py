"""A name -> a network."""

import os
from pathlib import Path

import torch
from torch import nn

from innae_utils import classic, results, settings
from innae_utils.bottleneck import InvertibleAutoencoder


def build(model: str, dataset: str, bottleneck: int, seed: int | None = None) -> nn.Module:
    """A freshly initialised model, float32, on the CPU.

    Args:
        model: a name in `settings.MODELS[dataset]`.
        dataset: a name in `settings.MODELS`.
        bottleneck: k, 1 to D.
        seed: seeds torch's generator first, so that the same seed gives the same weights; None leaves it alone.

    Raises:
        settings.ParameterError: an unknown name, or a bottleneck out of range.

    Example:
        >>> n_params(build(model="inn", dataset="mnist", bottleneck=12))
        1121192
    """
    known = settings.MODELS
    if dataset not in known:
        raise settings.ParameterError(f"dataset: {dataset!r} is not known; allowed: {', '.join(known)}")
    if model not in known[dataset]:
        raise settings.ParameterError(
            f"model: {model!r} is not known for {dataset}; allowed: {', '.join(known[dataset])}"
        )
    spec = known[dataset][model]
    channels, height, width = spec.shape
    dim = channels * height * width
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
    model = build(row["model"], row["dataset"], row["bottleneck"])
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.eval()
