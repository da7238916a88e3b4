"""The invertible network, declared from a spec with FrEIA's blocks.

Forward order: a Haar step halves the image's sides and quadruples its channels, affine couplings with convolutional
subnetworks follow (once or more often), then one coupling with dense subnetworks over the flattened image, and the Haar
steps are undone, so that the latent has the image's own shape. (With `InnSpec.laid` the vector is laid out otherwise
before that, and the last Haar steps do not undo the first.)
"""

from functools import partial

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import torch
from torch import nn

from innae_utils.layers import Stack, activation
from innae_utils.settings import InnSpec

CLAMP = 1.0  # scales lie within exp(+-0.636 * pi / 2); only at 1 are FrEIA's clip and the authors' the same


class HaarDown(Fm.HaarDownsampling):
    """FrEIA's Haar step, without its habit of scaling the argument of the inverse in place."""

    def forward(self, x, c=None, jac=True, rev=False):
        """(B, C, H, W) -> (B, 4 C, H / 2, W / 2) and log |det J|, which is 0; `rev` undoes it."""
        return super().forward((x[0].clone(),) if rev else x, jac=jac, rev=rev)


class HaarUp(Fm.HaarUpsampling):
    """The Haar step backwards, likewise leaving its argument as it was."""

    def forward(self, x, c=None, jac=True, rev=False):
        """(B, 4 C, H / 2, W / 2) -> (B, C, H, W) and log |det J|, which is 0; `rev` undoes it."""
        return super().forward(x if rev else (x[0].clone(),), jac=jac, rev=rev)


def conv_subnet(hidden: int, leak: float, channels_in: int, channels_out: int) -> Stack:
    """Coupling functions s and t of an image: (B, channels_in, H, W) -> (B, channels_out, H, W).

    References: section 3.1 (3 x 3, leaky ReLU 0.1). The last convolution is 1 x 1 in the authors' code.
    """
    return Stack(
        nn.Conv2d(channels_in, hidden, 3, padding=1),
        activation(leak),
        nn.Conv2d(hidden, hidden, 3, padding=1),
        activation(leak),
        nn.Conv2d(hidden, channels_out, 1),
    )


def dense_subnet(hidden: int, features_in: int, features_out: int) -> Stack:
    """Coupling function s or t of a vector: (B, features_in) -> (B, features_out)."""
    return Stack(nn.Linear(features_in, hidden), activation(0.0), nn.Linear(hidden, features_out))


def build(spec: InnSpec) -> Ff.SequenceINN:
    """The network of a spec, (B, C, H, W) <-> (B, C, H, W), with the authors' initialisation."""
    inn = Ff.SequenceINN(*spec.shape)
    for level in spec.conv_hidden:
        inn.append(HaarDown)
        for hidden in level:
            subnet = partial(conv_subnet, hidden, spec.leak)
            inn.append(Fm.GLOWCouplingBlock, subnet_constructor=subnet, clamp=CLAMP)
    small = inn.shapes[-1]
    channels, height, width = small
    inn.append(Fm.Reshape, output_dims=(channels * height * width,))
    inn.append(Fm.RNVPCouplingBlock, subnet_constructor=partial(dense_subnet, spec.dense_hidden), clamp=CLAMP)
    inn.append(Fm.Reshape, output_dims=spec.laid or small)
    for _ in spec.conv_hidden:
        inn.append(HaarUp)
    if spec.laid:
        inn.append(Fm.Reshape, output_dims=spec.shape)
    initialise(inn)
    return inn.to(memory_format=torch.channels_last)  # the convolutions run a third faster so, on a CPU too


def initialise(inn: nn.Module) -> None:
    """The authors' start: weights and biases 0.1 N(0, 1), the last layer of every subnetwork zero.

    Every coupling is then the identity, and so is the whole network, since the Haar steps cancel (`laid`: they do not).
    """
    for parameter in inn.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    for module in inn.modules():
        if isinstance(module, Stack):
            nn.init.zeros_(module[-1].weight)
            nn.init.zeros_(module[-1].bias)
