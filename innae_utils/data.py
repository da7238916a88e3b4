"""A data set as one uint8 tensor; batches by index, scaled to [0, 1] on the device.

Images are looked for under the data root as prepared arrays, `<dataset>/{train,test}_images.npy` (uint8,
N x C x H x W), which win, then in torchvision's own layout or as a folder or archive of pictures, and are
downloaded only when none is there. Whatever they come from is decoded once, into prepared arrays with a checksum.
These are memory-mapped: they may be larger than memory.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from innae_utils import prepare as preparing
from innae_utils import settings
from innae_utils.prepare import DataError, Source

SPLITS = ("train", "test")
DIGITS_TRAIN = 1437  # 80 % of 1,797


def moves(nbytes: int, free: int) -> bool:
    """Whether images of so many bytes are moved to a GPU that has so many free: they may fill half of them."""
    return nbytes <= free // 2


class Images:
    """Images of one split, kept as stored and scaled when asked for.

    Args:
        pixels: uint8, (N, C, H, W), values 0 to `max_value`.
        max_value: the stored value that becomes 1.0.
        device: where batches are wanted; None is where the pixels are.
    """

    def __init__(self, pixels: Tensor, max_value: int = 255, device: torch.device | str | None = None):
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or len(pixels) == 0:
            raise DataError(
                f"images must be uint8 of shape (N, C, H, W) with N > 0, not {pixels.dtype} {tuple(pixels.shape)}"
            )
        self.pixels = pixels
        self.max_value = max_value
        self.device = torch.device(device) if device is not None else pixels.device

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        return tuple(self.pixels.shape[1:])

    def to(self, device: torch.device | str) -> "Images":
        """The same images for another device: moved there if they fill less than half of it, else batch by batch."""
        device = torch.device(device)
        if device.type == "cuda" and not moves(self.pixels.nbytes, torch.cuda.mem_get_info(device)[0]):
            return Images(self.pixels, self.max_value, device)
        return Images(self.pixels.to(device), self.max_value)

    def batch(self, index: Tensor | slice) -> Tensor:
        """The images of an index as x: float32, (B, C, H, W), in [0, 1], on the device.

        Example:
            >>> Images(torch.tensor([[[[0, 4, 16]]]], dtype=torch.uint8), max_value=16).batch(slice(0, 1))
            tensor([[[[0.0000, 0.2500, 1.0000]]]])
        """
        return self.pixels[index].to(self.device).to(torch.float32) / self.max_value

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time; the last batch may be smaller."""
        return (self.batch(slice(start, start + size)) for start in range(0, len(self), size))


def few(images: Images, count: int = 10) -> Images:
    """A few images (at most `count`), drawn at random; of equally many always the same ones."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(images), generator=generator)[:count].to(images.pixels.device)
    return Images(images.pixels[chosen], images.max_value, images.device)


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


def load(
    dataset: str,
    split: str,
    root: str | os.PathLike = "",
    limit: int | None = None,
    size: Sequence[int] | None = None,
    strict: bool = False,
) -> Images:
    """Images of one split of a data set.

    Args:
        dataset: a name in `settings.DATASETS`.
        split: `train` or `test`.
        root: the data root; "" means $INNAE_DATA, else `data/`. For `images` the folder that holds them.
        limit: only the first so many images; None for all.
        size: (H, W); None is the size they are stored at. Faces are also there at 156 x 128, own images at any size.
        strict: pictures that cannot be read are an error; else they are left out with a warning.

    Raises:
        DataError: the images are not there and cannot be downloaded, have the wrong type or shape, or are not had at
            this size.

    Example:
        >>> images = load("digits", "test")
        >>> len(images), images.shape
        (360, (1, 8, 8))
    """
    if dataset not in settings.DATASETS or split not in SPLITS:
        known = f"data sets: {', '.join(settings.DATASETS)}; splits: {', '.join(SPLITS)}"
        raise DataError(f"there is no split {split!r} of a data set {dataset!r}; {known}")
    known = settings.DATASETS[dataset]
    _check_size(known, size)
    if dataset == "digits":
        pixels = _digits(split)
    elif dataset == "images":
        pixels = _own(split, root, size, strict)
    else:
        pixels = _stored(known, split, settings.data_root(root), strict)
        _tell(known, split, settings.data_root(root), len(pixels))
        if size and tuple(size) != pixels.shape[2:]:
            pixels = _smaller(known, split, settings.data_root(root), pixels, tuple(size))
    with warnings.catch_warnings():  # torch warns that a mapped file is not writable, and nobody writes
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return Images(torch.from_numpy(pixels[:limit]), known.max_value)


def prepare(
    dataset: str, root: str | os.PathLike = "", sizes: Sequence[Sequence[int] | None] = (None,), strict: bool = False
) -> dict[str, int]:
    """Make sure that a data set is there at some sizes, downloading and decoding it if need be.

    Returns the number of images of each split.
    """
    for size in sizes:
        counts = {split: len(load(dataset, split, root, size=size, strict=strict)) for split in SPLITS}
    return counts


def _digits(split: str) -> np.ndarray:
    """scikit-learn's digits with a fixed 80/20 split, uint8 0..16, (N, 1, 8, 8)."""
    from sklearn.datasets import load_digits

    pixels = load_digits().images.astype(np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order[:DIGITS_TRAIN] if split == "train" else order[DIGITS_TRAIN:]]


def _check_size(dataset: settings.Dataset, size: Sequence[int] | None) -> None:
    """Raise DataError for a size that a data set is not had at; own images are looked at with their folder."""
    if not size or dataset.name == "images" or tuple(size) in settings.sizes_of(dataset.name):
        return
    allowed = ", ".join(f"{height} x {width}" for height, width in settings.sizes_of(dataset.name))
    raise DataError(f"{dataset.title} has no images of {' x '.join(map(str, size))}; allowed sizes: {allowed}")


def _array(dataset: settings.Dataset, split: str, root: Path) -> Path:
    """Where the prepared array of a split lies."""
    return root / dataset.name / f"{split}_images.npy"


def _stored(dataset: settings.Dataset, split: str, root: Path, strict: bool) -> np.ndarray:
    """A split of a data set that lies under the root or can be downloaded, prepared if it is not yet."""
    prepared = _array(dataset, split, root)
    if dataset.name in FACES:
        alone = _by_hand(prepared) and not all(_array(dataset, name, root).exists() for name in SPLITS)
        if not alone and _unfit(dataset, root, strict):
            _faces(dataset, root, strict)
    elif not prepared.exists():
        pixels = _torchvision(dataset.name, split, root, download=False)
        if pixels is None:
            _download(dataset, root)
        elif not _kept(prepared, pixels, dataset.shape):
            return pixels
    return preparing.read(prepared, dataset.shape)


def _by_hand(path: Path) -> bool:
    """Whether an array is there that somebody else prepared: nothing is known of what it was made from."""
    return path.exists() and "fingerprint" not in preparing.beside(path)


def _tell(dataset: settings.Dataset, split: str, root: Path, count: int) -> None:
    """Warn, with every load, of pictures that were left out and of a data set that is not the whole one."""
    left_out = preparing.beside(_array(dataset, split, root)).get("left_out", [])
    if left_out:
        warnings.warn(f"{dataset.title}: left out {preparing.listed(left_out)}", stacklevel=3)
    found, whole = count + len(left_out), dataset.images[SPLITS.index(split)]
    if found != whole:
        warnings.warn(f"{dataset.title}: {found:,} {split} images found, not the {whole:,} it has", stacklevel=3)


def _smaller(dataset: settings.Dataset, split: str, root: Path, pixels: np.ndarray, size: tuple[int, int]):
    """The images at another size, prepared once from those at their own and again if these have changed."""
    whole = _array(dataset, split, root)
    path = root / dataset.name / f"{size[0]}x{size[1]}" / whole.name
    source = preparing.resized(
        pixels, *size, preparing.digest([preparing.stamp(whole)["bytes"], beside_or_time(whole)])
    )
    if not path.exists() or preparing.beside(path).get("fingerprint", source.fingerprint) != source.fingerprint:
        preparing.write(path, source, (dataset.shape[0], *size))
    return preparing.read(path, (dataset.shape[0], *size))


def beside_or_time(path: Path):
    """What tells one prepared array from another: its checksum, or its time if it was put there by hand."""
    return preparing.beside(path).get("sha256", preparing.stamp(path)["mtime_ns"])


# ---- faces -----------------------------------------------------------------------------------------------------


def _unfit(dataset: settings.Dataset, root: Path, strict: bool) -> str:
    """Why the prepared arrays of faces cannot be taken as they are; "" if they can.

    Both must come from the same pictures: else an image may be in both, as when one alone was prepared again, or put
    there by hand.
    """
    paths = [_array(dataset, split, root) for split in SPLITS]
    if missing := [path.name for path in paths if not path.exists()]:
        return f"{' and '.join(missing)} missing"
    if len(by_hand := [path for path in paths if _by_hand(path)]) == 1:
        return f"{by_hand[0].name} alone was put there by hand"
    ours = [preparing.beside(path) for path in paths if not _by_hand(path)]
    if len({noted.get("whole") for noted in ours}) > 1:
        return "they were prepared from different pictures"
    left_out = [name for noted in ours for name in noted.get("left_out", [])]
    return f"left out {preparing.listed(left_out)}" if strict and left_out else ""


def _faces(dataset: settings.Dataset, root: Path, strict: bool) -> None:
    """Prepare both splits from the pictures under the root; download them first if there are none."""
    paths = {split: _array(dataset, split, root) for split in SPLITS}
    for path in filter(_by_hand, paths.values()):
        raise DataError(
            f"{path} was put there by hand, and the other split was not; put both there, or delete this one to have "
            "both prepared: of one split alone nobody knows which images are in the other"
        )
    source = _find_faces(dataset.name, root)
    if source is None and any(path.exists() for path in paths.values()):
        raise DataError(
            f"the arrays in {root / dataset.name} cannot be taken ({_unfit(dataset, root, strict)}), and the pictures "
            "they were made from are gone; put these there again, or delete the arrays"
        )
    source = source or _fetched(dataset, root)
    if len(source.names) < 2:
        raise DataError(f"{source.names[0]} is the only picture of {dataset.title} under {root}; put all of them there")
    for split, part in preparing.split(source).items():
        if not preparing.is_made_of(paths[split], part, strict):
            preparing.write(paths[split], part, dataset.shape, strict)


def _fetched(dataset: settings.Dataset, root: Path) -> Source:
    """Download the pictures of a face data set. Raises DataError if that fails."""
    try:
        FACES[dataset.name].download(root)
    except Exception as error:  # a network has a hundred ways to fail
        if preparing.is_full(error):
            raise _no_room(dataset, root) from error
        said = " ".join(str(error).split())
        raise DataError(f"{_how_to_place(dataset, root)} It could not be downloaded either ({said})") from error
    source = _find_faces(dataset.name, root)
    if source is None:
        raise DataError(_how_to_place(dataset, root))
    return source


def _no_room(dataset: settings.Dataset, root: Path) -> DataError:
    return DataError(
        f"{dataset.title} could not be downloaded into {root}: the disk is full; make room there, or name a data_root "
        "on another disk"
    )


def _find_faces(name: str, root: Path) -> Source | None:
    """The pictures of a face data set: the first folder or archive of those it may be in."""
    known = FACES[name]
    for place in known.folders:
        if (root / place).is_dir() and (source := preparing.files(root / place, known.decode)).names:
            return source
    for archive in sorted(p for kind in ("zip", "tgz", "tar.gz", "tar") for p in (root / name).glob(f"*.{kind}")):
        if (source := preparing.archive(archive, known.decode)).names:
            return source
    return None


def _how_to_place(dataset: settings.Dataset, root: Path) -> str:
    folder = root / FACES[dataset.name].folders[0]
    return (
        f"{dataset.title} is not under {root}. Put its pictures into {folder}/, or its archive (.zip, .tgz) or "
        f"prepared arrays (train_images.npy, test_images.npy) into {root / dataset.name}/, or name the folder that has "
        "them: parameter data_root, $INNAE_DATA, or DATA_ROOT= for make."
    )


def _fetch_celeba(root: Path) -> None:
    from torchvision.datasets import CelebA

    CelebA(str(root), download=True)


def _fetch_lfw(root: Path) -> None:
    from sklearn.datasets import fetch_lfw_people

    fetch_lfw_people(data_home=str(root), funneled=True, min_faces_per_person=500)  # downloads all, loads a few


class Faces:
    """Where the pictures of a face data set may lie under the data root, how to decode and how to get them."""

    def __init__(self, folders: tuple[str, ...], decode: Callable[[bytes], np.ndarray], download: Callable):
        self.folders, self.decode, self.download = folders, decode, download


FACES = {
    "celeba": Faces(("celeba/img_align_celeba",), preparing.celeba, _fetch_celeba),
    "lfw": Faces(("lfw_home/lfw_funneled", "lfw"), preparing.lfw, _fetch_lfw),
}


# ---- a folder of one's own -------------------------------------------------------------------------------------


def _own(split: str, folder: str | os.PathLike, size: Sequence[int] | None, strict: bool) -> np.ndarray:
    """A split of the pictures in a folder, prepared under the usual data root and again when the folder changes."""
    folder = Path(folder or ".").expanduser().absolute()
    if size is None or settings.check_image_size("images", f"{size[0]},{size[1]}"):
        raise DataError(f"own images need a size (H, W) that can be halved twice, not {size}")
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; name the one that holds your images: data_root")
    height, width = size
    source = preparing.files(folder, preparing.fitted(height, width))
    if len(source.names) < 2:
        found = f"one picture alone ({source.names[0]})" if source.names else "no picture"
        kinds = ", ".join(preparing.PICTURES)
        raise DataError(f"{folder} holds {found}; at least two are needed, one to train and one to test ({kinds})")
    place = settings.data_root() / "images" / settings.own_name(folder)
    path = place / f"{height}x{width}" / f"{split}_images.npy"
    part = preparing.split(source)[split]
    if not preparing.is_made_of(path, part, strict):
        preparing.write(path, part, (3, height, width), strict)
    if left_out := preparing.beside(path).get("left_out"):
        warnings.warn(f"{folder}: left out {preparing.listed(left_out)}", stacklevel=3)
    return preparing.read(path, (3, height, width))


# ---- torchvision's data sets -----------------------------------------------------------------------------------


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
        there = name == "cifar10" and (root / "cifar-10-batches-py").exists()  # "not found or corrupted"
        if isinstance(error, RuntimeError) and "not found" in said.lower() and not there:
            return None
        raise DataError(f"the {name} files under {root} are damaged ({said}); delete them and try again") from error
    pixels = np.asarray(found.data)
    return pixels[:, None] if name == "mnist" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _kept(path: Path, pixels: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Write images that torchvision has decoded into a prepared array; False if none can be written there.

    Whoever shares a folder of images often lets nobody write into it: then every run decodes them anew.
    """
    try:
        preparing.write(path, preparing.decoded(pixels, str(path.parent.parent)), shape)
    except preparing.Unwritable:
        return False
    return True


def _download(dataset: settings.Dataset, root: Path) -> None:
    """Download into a temporary folder beside the goal, then write the arrays; a failed download leaves no trace."""
    target = root / dataset.name
    made = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix="download-") as folder:
            found = {split: _torchvision(dataset.name, split, Path(folder), download=True) for split in SPLITS}
    except (OSError, DataError) as error:
        for folder in made:
            with suppress(OSError):  # not ours alone any more, or never made
                folder.rmdir()
        if preparing.is_full(error):
            raise _no_room(dataset, root) from error
        layout = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py/"}[dataset.name]
        gone = "" if root.exists() else ", a folder that does not exist"
        raise DataError(
            f"{dataset.title} is not under {root}{gone}. Put torchvision's files there ({root / layout} ...) or "
            f"prepared arrays ({target}/train_images.npy and test_images.npy), or name the folder that has them: "
            f"parameter data_root, $INNAE_DATA, or DATA_ROOT= for make. It could not be downloaded either ({error})"
        ) from error
    for split, pixels in found.items():
        path = _array(dataset, split, root)
        if not path.exists():
            preparing.write(path, preparing.decoded(pixels, str(target)), dataset.shape)
