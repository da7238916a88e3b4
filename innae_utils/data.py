"""A data set as one uint8 tensor on the device; batches by index, scaled to [0, 1] there.

Images are looked for under the data root as prepared arrays, `<dataset>/{train,test}_images.npy` (uint8,
N x C x H x W), which win, then in torchvision's own layout, and are downloaded only when neither is there.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from innae_utils import settings

SPLITS = ("train", "test")
DIGITS_TRAIN = 1437  # 80 % of 1,797


class DataError(RuntimeError):
    """Images are missing or not what they should be; the message names the path and what to do."""


class Images:
    """Images of one split, kept as stored and scaled when asked for.

    Args:
        pixels: uint8, (N, C, H, W), values 0 to `max_value`.
        max_value: the stored value that becomes 1.0.
    """

    def __init__(self, pixels: Tensor, max_value: int = 255):
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or len(pixels) == 0:
            raise DataError(
                f"images must be uint8 of shape (N, C, H, W) with N > 0, not {pixels.dtype} {tuple(pixels.shape)}"
            )
        self.pixels = pixels
        self.max_value = max_value

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        return tuple(self.pixels.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.pixels.device

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device."""
        return Images(self.pixels.to(device), self.max_value)

    def batch(self, index: Tensor | slice) -> Tensor:
        """The images of an index as x: float32, (B, C, H, W), in [0, 1].

        Example:
            >>> Images(torch.tensor([[[[0, 4, 16]]]], dtype=torch.uint8), max_value=16).batch(slice(0, 1))
            tensor([[[[0.0000, 0.2500, 1.0000]]]])
        """
        return self.pixels[index].to(torch.float32) / self.max_value

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time; the last batch may be smaller."""
        return (self.batch(slice(start, start + size)) for start in range(0, len(self), size))


def shuffled(count: int, size: int, seed: int, epoch: int, drop_last: bool = True) -> list[Tensor]:
    """The index batches of one epoch: a permutation of range(count) that depends on (seed, epoch) alone.

    So an interrupted run finds the very same batches again. With `drop_last` a partial batch at the end is left out.
    Raises DataError if that leaves no batch at all.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    batches = list(torch.randperm(count, generator=generator).split(size))
    if drop_last and len(batches[-1]) < size:
        batches.pop()
    if not batches:
        raise DataError(f"{count} images make no batch of {size}; give more images or a smaller batch")
    return batches


def load(dataset: str, split: str, root: str | os.PathLike = "", limit: int | None = None) -> Images:
    """Images of one split of a data set.

    Args:
        dataset: a name in `settings.DATASETS`.
        split: `train` or `test`.
        root: the data root; "" means $INNAE_DATA, else `data/`.
        limit: only the first so many images; None for all.

    Raises:
        DataError: the images are not there and cannot be downloaded, or have the wrong type or shape.

    Example:
        >>> images = load("digits", "test")
        >>> len(images), images.shape
        (360, (1, 8, 8))
    """
    if dataset not in settings.DATASETS or split not in SPLITS:
        known = f"data sets: {', '.join(settings.DATASETS)}; splits: {', '.join(SPLITS)}"
        raise DataError(f"there is no split {split!r} of a data set {dataset!r}; {known}")
    known = settings.DATASETS[dataset]
    pixels = _digits(split) if dataset == "digits" else _stored(known, split, settings.data_root(root))
    return Images(torch.from_numpy(pixels[:limit]), known.max_value)


def prepare(dataset: str, root: str | os.PathLike = "") -> dict[str, int]:
    """Make sure that a data set is there, downloading it if need be; the number of images of each split."""
    return {split: len(load(dataset, split, root)) for split in SPLITS}


def _digits(split: str) -> np.ndarray:
    """scikit-learn's digits with a fixed 80/20 split, uint8 0..16, (N, 1, 8, 8)."""
    from sklearn.datasets import load_digits

    pixels = load_digits().images.astype(np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order[:DIGITS_TRAIN] if split == "train" else order[DIGITS_TRAIN:]]


def _stored(dataset: settings.Dataset, split: str, root: Path) -> np.ndarray:
    prepared = root / dataset.name / f"{split}_images.npy"
    if prepared.exists():
        return _checked(prepared, dataset.shape)
    pixels = _torchvision(dataset.name, split, root, download=False)
    if pixels is None:
        _download(dataset, root)
        return _checked(prepared, dataset.shape)
    return pixels


def _checked(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A prepared array, uint8 (N, *shape), copied into memory. Raises DataError if it is anything else."""
    advice = "delete it to have it prepared again, or put the right file there"
    try:
        array = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable .npy file ({error}); {advice}") from error
    if array.dtype != np.uint8 or array.shape[1:] != shape or len(array) == 0:
        raise DataError(f"{path} holds {array.dtype} {array.shape}; it should be uint8 (N, {shape}); {advice}")
    return array


def _torchvision(name: str, split: str, root: Path, download: bool) -> np.ndarray | None:
    """The split in torchvision's layout, (N, C, H, W); None if its files are not there and are not to be downloaded."""
    from torchvision import datasets

    kind = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10}[name]
    try:
        found = kind(str(root), train=split == "train", download=download)
    except (OSError, ValueError, EOFError, RuntimeError) as error:
        said = " ".join(str(error).split())
        if download:
            raise DataError(f"the download failed: {said}") from error
        if isinstance(error, RuntimeError) and "not found" in said.lower():
            return None
        raise DataError(f"the {name} files under {root} are damaged ({said}); delete them and try again") from error
    pixels = np.asarray(found.data)
    return pixels[:, None] if name == "mnist" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _download(dataset: settings.Dataset, root: Path) -> None:
    """Download into a temporary folder beside the goal, then move finished arrays into place; else leave no trace."""
    target = root / dataset.name
    made = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix="download-") as folder:
            for split in SPLITS:
                pixels = _torchvision(dataset.name, split, Path(folder), download=True)
                part = Path(folder) / f"{split}_images.npy"
                np.save(part, pixels)
                os.replace(part, target / part.name)
    except (OSError, DataError) as error:
        for folder in made:
            with suppress(OSError):  # not ours alone any more, or never made
                folder.rmdir()
        layout = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py/"}[dataset.name]
        raise DataError(
            f"{dataset.title} is not under {root}. Put torchvision's files there ({root / layout} ...) or prepared "
            f"arrays ({target}/train_images.npy and test_images.npy), or name the folder that has them: parameter "
            f"data_root, $INNAE_DATA, or DATA_ROOT= for make. It could not be downloaded either ({error})"
        ) from error
