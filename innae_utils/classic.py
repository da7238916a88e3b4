"""The paper's classical autoencoders: an encoder to k numbers, and a decoder that mirrors it.

References: section 3.1; activations' places and initialisation from the authors' code.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from innae_utils.layers import Residual, Stack, activation
from innae_utils.settings import LOG_VARIANCE_START, ConvSpec, DenseSpec


class ClassicAutoencoder(nn.Module):
    """Encoder and decoder with k numbers between them; the output's tanh lies in (-1, 1)."""

    def __init__(self, encoder: Stack, decoder: Stack, bottleneck: int):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.bottleneck = bottleneck

    def encode(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> y (B, k)."""
        return self.encoder(x)

    def decode(self, y: Tensor) -> Tensor:
        """y (B, k) -> x_hat (B, C, H, W)."""
        return self.decoder(y)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> x_hat = decode(encode(x)), (B, C, H, W)."""
        return self.decode(self.encode(x))


class GaussianAutoencoder(ClassicAutoencoder):
    """A variational autoencoder: the encoder gives a normal distribution of y; `encode` gives its mean.

    References: Kingma and Welling, "Auto-encoding variational Bayes" (ICLR 2014).
    """

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, C, H, W) -> mean and log variance of y, (B, k) each."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> the mean of y, (B, k)."""
        return self.posterior(x)[0]


def build(spec: DenseSpec | ConvSpec, bottleneck: int) -> ClassicAutoencoder:
    """The autoencoder of a spec, initialised as the authors'. A VAE's log variance starts at `LOG_VARIANCE_START`."""
    encoder, decoder = (_dense if isinstance(spec, DenseSpec) else _conv)(spec, bottleneck)
    if spec.gaussian:
        encoder[-1] = nn.Linear(encoder[-1].in_features, 2 * bottleneck)
    kind = GaussianAutoencoder if spec.gaussian else ClassicAutoencoder
    model = kind(Stack(*encoder), Stack(*decoder), bottleneck)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.constant_(module.bias, 0.01)
    if spec.gaussian:
        nn.init.constant_(encoder[-1].bias[bottleneck:], LOG_VARIANCE_START)
    return model.to(memory_format=torch.channels_last)  # for the convolutions; the rest has no such thing


def _dense(spec: DenseSpec, bottleneck: int) -> tuple[list[nn.Module], list[nn.Module]]:
    channels, height, width = spec.shape
    sizes = [channels * height * width, *spec.widths, bottleneck]

    def half(sizes: list[int]) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for place, (size_in, size_out) in enumerate(pairwise(sizes)):
            both = [nn.Linear(size_in, size_out), activation(spec.leak)]
            hidden = 0 < place < len(sizes) - 2
            layers += [Residual(*both)] if spec.residual and hidden and size_in == size_out else both
        return layers[:-1]  # the last has no activation, or a tanh

    return [nn.Flatten(), *half(sizes)], [*half(sizes[::-1]), nn.Tanh(), nn.Unflatten(1, spec.shape)]


def _conv(spec: ConvSpec, bottleneck: int) -> tuple[list[nn.Module], list[nn.Module]]:
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []  # built from its end, as the encoder goes on
    channels, *size = spec.shape
    for layer in spec.layers:
        if layer == "pool":
            encoder.append(nn.MaxPool2d(2))
            decoder.insert(0, nn.Upsample(scale_factor=2, mode="nearest"))
            size = [side // 2 for side in size]
            continue
        wider, padding = layer
        pads = padding if isinstance(padding, tuple) else (padding, padding)
        encoder += [nn.Conv2d(channels, wider, spec.kernel, spec.stride, pads), activation(spec.leak)]
        rest = [(side + 2 * pad - spec.kernel) % spec.stride for side, pad in zip(size, pads, strict=True)]
        back = nn.ConvTranspose2d(wider, channels, spec.kernel, spec.stride, pads, output_padding=rest)
        decoder[:0] = [back, activation(spec.leak) if decoder else nn.Tanh()]
        size = [(side + 2 * pad - spec.kernel) // spec.stride + 1 for side, pad in zip(size, pads, strict=True)]
        channels = wider
    flat = channels * size[0] * size[1]
    encoder += [nn.Flatten(), nn.Linear(flat, bottleneck)]
    return encoder, [nn.Linear(bottleneck, flat), activation(spec.leak), nn.Unflatten(1, (channels, *size)), *decoder]
