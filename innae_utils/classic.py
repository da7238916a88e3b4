"""The paper's classical autoencoders: an encoder to k numbers, and a decoder that mirrors it.

References: section 3.1; activations' places and initialisation from the authors' code.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from innae_utils.layers import Stack
from innae_utils.settings import ConvSpec, DenseSpec


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


def build(spec: DenseSpec | ConvSpec, bottleneck: int) -> ClassicAutoencoder:
    """The autoencoder of a spec with the authors' initialisation."""
    encoder, decoder = (_dense if isinstance(spec, DenseSpec) else _conv)(spec, bottleneck)
    model = ClassicAutoencoder(Stack(*encoder), Stack(*decoder), bottleneck)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.constant_(module.bias, 0.01)
    return model.to(memory_format=torch.channels_last)  # for the convolutions; the rest has no such thing


def _dense(spec: DenseSpec, bottleneck: int) -> tuple[list[nn.Module], list[nn.Module]]:
    channels, height, width = spec.shape
    sizes = [channels * height * width, *spec.widths, bottleneck]
    encoder: list[nn.Module] = [nn.Flatten()]
    for size_in, size_out in pairwise(sizes):
        encoder += [nn.Linear(size_in, size_out), nn.ReLU(inplace=True)]
    decoder: list[nn.Module] = []
    for size_in, size_out in pairwise(sizes[::-1]):
        decoder += [nn.Linear(size_in, size_out), nn.ReLU(inplace=True)]
    return encoder[:-1], [*decoder[:-1], nn.Tanh(), nn.Unflatten(1, spec.shape)]


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
        encoder += [nn.Conv2d(channels, wider, spec.kernel, spec.stride, pads), nn.ReLU(inplace=True)]
        rest = [(side + 2 * pad - spec.kernel) % spec.stride for side, pad in zip(size, pads, strict=True)]
        back = nn.ConvTranspose2d(wider, channels, spec.kernel, spec.stride, pads, output_padding=rest)
        decoder[:0] = [back, nn.ReLU(inplace=True) if decoder else nn.Tanh()]
        size = [(side + 2 * pad - spec.kernel) // spec.stride + 1 for side, pad in zip(size, pads, strict=True)]
        channels = wider
    flat = channels * size[0] * size[1]
    encoder += [nn.Flatten(), nn.Linear(flat, bottleneck)]
    return encoder, [nn.Linear(bottleneck, flat), nn.ReLU(inplace=True), nn.Unflatten(1, (channels, *size)), *decoder]
