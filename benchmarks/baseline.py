"""The yardstick: the same models trained as a textbook would, in plain float32.

FrEIA's blocks as they come (Flatten, no memory format), leaky ReLU out of place, torch's Adam as it comes, a DataLoader
with ToTensor, one `loss.item()` a step. Same parameters, same initialisation, same losses as the package's.
"""

from functools import partial

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from innae_utils import models, settings
from innae_utils.bottleneck import InvertibleAutoencoder


def conv_subnet(hidden, channels_in, channels_out):
    """The package's convolutional subnetwork, in the plain form."""
    return nn.Sequential(
        nn.Conv2d(channels_in, hidden, 3, padding=1), nn.LeakyReLU(0.1),
        nn.Conv2d(hidden, hidden, 3, padding=1), nn.LeakyReLU(0.1),
        nn.Conv2d(hidden, channels_out, 1),
    )  # fmt: skip


def dense_subnet(hidden, features_in, features_out):
    """The package's dense subnetwork, in the plain form."""
    return nn.Sequential(nn.Linear(features_in, hidden), nn.ReLU(), nn.Linear(hidden, features_out))


def build(model: str, dataset: str, bottleneck: int, seed: int) -> nn.Module:
    """The baseline's network with the very weights of `models.build(model, dataset, bottleneck, seed)`."""
    ours = models.build(model, dataset, bottleneck, seed=seed)
    spec = settings.MODELS[dataset][model]
    if isinstance(spec, settings.InnSpec):
        plain = InvertibleAutoencoder(_inn(spec), spec.shape, bottleneck)
        trainable = [p for p in ours.parameters() if p.requires_grad]
        theirs = [p for p in plain.parameters() if p.requires_grad]
        with torch.no_grad():
            for parameter, source in zip(theirs, trainable, strict=True):
                parameter.copy_(source)
        return plain
    for module in ours.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return ours.to(memory_format=torch.contiguous_format)


def _inn(spec: settings.InnSpec) -> Ff.SequenceINN:
    if spec.laid:
        raise settings.ParameterError(f"the baseline has no network whose vector is laid into {spec.laid}; take inn")
    inn = Ff.SequenceINN(*spec.shape)
    for level in spec.conv_hidden:
        inn.append(Fm.HaarDownsampling)
        for hidden in level:
            inn.append(Fm.GLOWCouplingBlock, subnet_constructor=partial(conv_subnet, hidden), clamp=1.0)
    small = inn.shapes[-1]
    inn.append(Fm.Flatten)
    inn.append(Fm.RNVPCouplingBlock, subnet_constructor=partial(dense_subnet, spec.dense_hidden), clamp=1.0)
    inn.append(Fm.Reshape, output_dims=small)
    for _ in spec.conv_hidden:
        inn.append(Fm.HaarUpsampling)
    return inn


class Pictures(Dataset):
    """uint8 images (N, C, H, W) as PIL pictures turned into tensors one by one, as torchvision's data sets do."""

    def __init__(self, pixels: torch.Tensor):
        self.pixels = pixels
        self.transform = ToTensor()

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        pixels = self.pixels[index].permute(1, 2, 0).numpy()
        return self.transform(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def loader(pixels: torch.Tensor, batch_size: int) -> DataLoader:
    """Shuffled batches, the last partial one dropped."""
    return DataLoader(Pictures(pixels), batch_size, shuffle=True, drop_last=True)


def optimizer(model: nn.Module, recipe: settings.Recipe) -> torch.optim.Adam:
    """Adam with the recipe's settings and torch's own choice of everything else."""
    return torch.optim.Adam(
        model.parameters(), lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay
    )


def step(model: nn.Module, x: torch.Tensor, adam: torch.optim.Adam) -> float:
    """One training step, its loss read at once."""
    adam.zero_grad()
    if hasattr(model, "transform"):
        y, z = model.transform(x)
        loss = (x - model.decode(y)).abs().mean() + (z**2).mean()
    else:
        loss = (x - model(x)).abs().mean()
    loss.backward()
    adam.step()
    return loss.item()
