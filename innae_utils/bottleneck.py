"""The idea of the paper: transform, keep the first k numbers, zero the rest, transform back.

References: section 2.2, "Artificial Bottleneck and INN Autoencoder", and figure 3.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InvertibleAutoencoder(nn.Module):
    """An invertible network used as its own decoder.

    Args:
        inn: maps (B, C, H, W) to a latent of the same shape and back (`rev=True`); returns (output, log |det J|).
        shape: (C, H, W).
        bottleneck: k, how many of the latent's D = C H W numbers are kept; 1 to D.
    """

    def __init__(self, inn: nn.Module, shape: tuple[int, int, int], bottleneck: int):
        super().__init__()
        self.inn = inn
        self.shape = tuple(shape)
        self.dim = shape[0] * shape[1] * shape[2]
        self.bottleneck = bottleneck

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, C, H, W) -> y (B, k), the first k numbers of the flattened latent, and z (B, D - k), the rest."""
        latent, _ = self.inn(x)
        flat = latent.flatten(1)
        return flat[:, : self.bottleneck], flat[:, self.bottleneck :]

    def inverse(self, y: Tensor, z: Tensor) -> Tensor:
        """y (B, k), z (B, D - k) -> x (B, C, H, W): the exact inverse of `transform`."""
        return self._backwards(torch.cat((y, z), dim=1))

    def encode(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> y (B, k)."""
        return self.transform(x)[0]

    def decode(self, y: Tensor) -> Tensor:
        """y (B, k) -> x_hat (B, C, H, W): the inverse with z = 0."""
        return self._backwards(F.pad(y, (0, self.dim - self.bottleneck)))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> x_hat = decode(encode(x)), (B, C, H, W)."""
        return self.decode(self.encode(x))

    def log_det(self, x: Tensor) -> Tensor:
        """log |det J| of the map x -> [y, z] at x (B, C, H, W): (B,), in nats."""
        return self.inn(x)[1]

    def latent_log_det(self, y: Tensor, z: Tensor) -> Tensor:
        """log |det J| of the map [y, z] -> x at y (B, k), z (B, D - k): (B,), in nats; `-log_det` of that x."""
        return self.inn(torch.cat((y, z), dim=1).unflatten(1, self.shape), rev=True)[1]

    def log_prob(self, x: Tensor, z_scale: float | Tensor) -> Tensor:
        """log p(x) of x (B, C, H, W) if y ~ N(0, I) and z ~ N(0, z_scale^2): (B,), in nats.

        Exact by the change of variables: log N(y) + log N(z) + log |det J|. How widely the zeroed z is spread is an
        assumption; the narrower it is, the more of the value is decided by z.

        Args:
            x: images, with noise added within the steps of their grey values if the density is to be a code length.
            z_scale: > 0, one for all or (D - k,).
        """
        latent, log_det = self.inn(x)
        scale = torch.ones_like(latent.flatten(1)[0])
        scale[self.bottleneck :] = z_scale
        u = latent.flatten(1) / scale
        log_normal = -0.5 * (u.square() + math.log(2 * math.pi)).sum(1) - scale.log().sum()
        return log_normal + log_det

    def _backwards(self, flat: Tensor) -> Tensor:
        x, _ = self.inn(flat.unflatten(1, self.shape), rev=True)
        return x
