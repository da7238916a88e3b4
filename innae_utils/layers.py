"""A stack of layers that can train in bfloat16, and forget its activations to save memory; the layers in it."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Stack(nn.Sequential):
    """`nn.Sequential` with two switches that work under `training` alone; input and output keep their type.

    `bf16`: the layers run in bfloat16. Only what is inside a stack ever runs lower than the input's precision, and
    evaluation never does: the INN's round trip is exact to rounding of the precision it runs in, and bfloat16 rounds to
    three digits.

    `recompute`: the activations between the layers are not kept for the backward pass but computed again.
    """

    bf16 = False
    recompute = False

    def forward(self, x: Tensor) -> Tensor:
        """Run the layers on x."""
        if not self.training:
            return super().forward(x)
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._run, x, use_reentrant=False, preserve_rng_state=False)
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        if not self.bf16:
            return super().forward(x)
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return super().forward(x).to(x.dtype)


def activation(leak: float) -> nn.Module:
    """max(x, leak x), in place: a ReLU if `leak` is 0.

    Example:
        >>> [activation(leak)(torch.tensor([-1.0, 2.0])).tolist() for leak in (0.0, 0.5)]
        [[0.0, 2.0], [-0.5, 2.0]]
    """
    return nn.LeakyReLU(leak, inplace=True) if leak else nn.ReLU(inplace=True)


class Residual(nn.Sequential):
    """Layers whose input is added to their output: x + layers(x), both of one shape.

    References: He et al., Deep Residual Learning for Image Recognition (CVPR 2016).
    """

    def forward(self, x: Tensor) -> Tensor:
        """x -> x + layers(x), of the same shape."""
        return x + super().forward(x)


def set_training(model: nn.Module, precision: str = "fp32", recompute: bool = False) -> None:
    """Let every stack of a model train in `fp32` or `bf16`, keeping its activations or computing them again."""
    for module in model.modules():
        if isinstance(module, Stack):
            module.bf16 = precision == "bf16"
            module.recompute = recompute
