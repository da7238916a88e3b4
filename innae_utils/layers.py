"""A stack of layers that can compute in bfloat16 while it trains."""

import torch
from torch import Tensor, nn


class Stack(nn.Sequential):
    """`nn.Sequential` whose layers run in bfloat16 under `training` if `bf16` is set; input and output keep their type.

    Only what is inside a stack ever runs lower than the input's precision. Evaluation never does: the INN's round
    trip is exact to rounding of the precision it runs in, and bfloat16 rounds to three digits.
    """

    bf16 = False

    def forward(self, x: Tensor) -> Tensor:
        """Run the layers on x."""
        if not (self.bf16 and self.training):
            return super().forward(x)
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return super().forward(x).to(x.dtype)


def set_precision(model: nn.Module, precision: str) -> None:
    """Let every stack of a model train in `fp32` or `bf16`."""
    for module in model.modules():
        if isinstance(module, Stack):
            module.bf16 = precision == "bf16"
