"""Pictures of any source -> prepared uint8 arrays: decoded once, resumable, checked, memory-mapped ever after.

`<split>_images.npy` appears only when it is whole; beside it lies `<split>_images.json`: the checksum, a fingerprint of
the pictures it was made from, and which of them could not be read.
"""

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from innae_utils.results import replacing

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
STRIDE = 500  # pictures between two notes of how far it is: what an interruption can cost


class DataError(RuntimeError):
    """Images are missing or not what they should be; the message names the path and what to do."""


@dataclass(frozen=True)
class Source:
    """Pictures still to be decoded.

    Args:
        names: one a picture, as a person would name it.
        read: index -> (C, H, W) uint8; raises OSError or ValueError for a picture that cannot be read.
        fingerprint: changes when the pictures do; an interrupted preparation goes on only with the same one.
    """

    names: Sequence[str]
    read: Callable[[int], np.ndarray]
    fingerprint: str

    def part(self, index: Sequence[int]) -> "Source":
        """Some of the pictures, in the given order."""
        index = [int(i) for i in index]
        chosen = digest([self.fingerprint, index])
        return Source([self.names[i] for i in index], lambda i: self.read(index[i]), chosen)


def digest(what: Any) -> str:
    """A short digest of anything JSON can hold."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def split(source: Source, share: float = 0.8) -> dict[str, Source]:
    """A random part for training and the rest for testing, the same whenever the pictures are the same.

    Deviation: the authors draw a new 80/20 split each time; here its seed is fixed.
    """
    count = len(source.names)
    order = np.random.default_rng(0).permutation(count)
    cut = min(max(1, round(share * count)), count - 1)
    return {"train": source.part(order[:cut]), "test": source.part(order[cut:])}


# ---- where pictures come from ----------------------------------------------------------------------------------


def files(folder: Path, decode: Callable[[bytes], np.ndarray], pattern: str = "*") -> Source:
    """The picture files in a folder and below, sorted by name."""
    paths = sorted(p for p in folder.rglob(pattern) if p.suffix.lower() in PICTURES and p.is_file())
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    names = [path.relative_to(folder).as_posix() for path in paths]
    print_of = digest([[name, *stamp(path).values()] for name, path in zip(names, paths, strict=True)])
    return Source(names, lambda i: decode(paths[i].read_bytes()), print_of)


def archive(path: Path, decode: Callable[[bytes], np.ndarray]) -> Source:
    """The pictures in a .zip, .tar, .tgz or .tar.gz file, sorted by name. Raises DataError if it cannot be read."""
    try:
        if path.suffix == ".zip":
            opened = zipfile.ZipFile(path)
            members = {m.filename: m for m in opened.infolist() if not m.is_dir()}
            read = opened.read
        else:
            opened = tarfile.open(fileobj=_unpacked(path))  # noqa: SIM115 - open as long as its pictures are read
            members = {m.name: m for m in opened.getmembers() if m.isfile()}
            read = lambda member: opened.extractfile(member).read()  # noqa: E731
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path} is no readable archive ({error}); delete it and put a whole one there") from error
    names = sorted(name for name in members if Path(name).suffix.lower() in PICTURES)

    def picture(i: int) -> np.ndarray:
        try:
            return decode(read(members[names[i]]))
        except (zlib.error, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise DataError(f"{path} is damaged at {names[i]} ({error}); put a whole one there") from error

    return Source(names, picture, digest([path.name, path.stat().st_size, names]))


def _unpacked(path: Path) -> IO[bytes]:
    """A tar file in memory, unpacked: its pictures are not read in its own order, and gzip cannot go backwards."""
    content = path.read_bytes()
    return io.BytesIO(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def picture(content: bytes):
    """An encoded picture as a PIL image: RGB, turned as its camera says; transparency is dropped.

    Raises OSError or ValueError, also for pictures of more than 8 bits a channel, which would be cut off at white.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content))
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"more than 8 bits a channel (mode {image.mode}); convert it to 8 bits first")
        return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise OSError("not a picture") from error
    except (SyntaxError, Image.DecompressionBombError) as error:  # PIL's words for a broken PNG, and for a giant
        raise OSError(str(error)) from error


def channels_first(image) -> np.ndarray:
    """A PIL image as uint8 (3, H, W)."""
    return np.asarray(image).transpose(2, 0, 1)


def celeba(content: bytes) -> np.ndarray:
    """An aligned CelebA face, (3, 218, 178). Raises ValueError if it has another size."""
    face = channels_first(picture(content))
    if face.shape[1:] != (218, 178):
        raise ValueError(f"{face.shape[2]} x {face.shape[1]} pixels; the aligned faces of CelebA are 178 x 218")
    return face


def lfw(content: bytes) -> np.ndarray:
    """The central 218 x 178 of an aligned LFW face of 250 x 250, CelebA's size. Raises ValueError for another size."""
    face = channels_first(picture(content))
    if face.shape[1:] != (250, 250):
        raise ValueError(f"{face.shape[2]} x {face.shape[1]} pixels; the aligned faces of LFW are 250 x 250")
    return face[:, 16:234, 36:214]


def fitted(height: int, width: int) -> Callable[[bytes], np.ndarray]:
    """A decoder that scales a picture to cover height x width and cuts what stands over, evenly on both sides."""
    from PIL import Image, ImageOps

    return lambda content: channels_first(ImageOps.fit(picture(content), (width, height), Image.Resampling.BICUBIC))


def resized(pixels: np.ndarray, height: int, width: int, fingerprint: str) -> Source:
    """Stored images (N, 3, H, W) at a smaller size, as torchvision's `Resize` makes it: bilinear, antialiased."""
    from PIL import Image

    def read(i: int) -> np.ndarray:
        whole = Image.fromarray(np.ascontiguousarray(pixels[i].transpose(1, 2, 0)))
        return channels_first(whole.resize((width, height), Image.Resampling.BILINEAR))

    return Source([f"image {i}" for i in range(len(pixels))], read, digest([fingerprint, height, width]))


# ---- prepared arrays -------------------------------------------------------------------------------------------


def write(path: Path, source: Source, shape: tuple[int, int, int], strict: bool = False) -> None:
    """Decode all pictures of a source into `path`, uint8 (N, *shape), going on where an interrupted call stopped.

    Args:
        path: ends in .npy; it appears when everything is written.
        source: the pictures.
        shape: (C, H, W) of each.
        strict: a picture that cannot be read is an error; else it is left out, and named in the .json beside.

    Raises:
        DataError: no picture could be read, one could not and `strict` is set, or the disk is full or not writable.
            A full disk leaves nothing behind, an unreadable picture what was decoded before it.
    """
    from tqdm import tqdm

    part, note = path.with_suffix(".part.npy"), path.with_suffix(".progress.json")
    size = int(np.prod(shape))
    with _disk(path, [part, note]), alone_in(path.parent):
        if path.exists() and beside(path).get("fingerprint") == source.fingerprint and not strict:
            return  # another process has just written it
        state = _begun(part, note, source, size)
        _room(path, (len(source.names) - state["written"]) * size)
        with open(part, "r+b" if state["read"] else "w+b") as file:
            file.truncate(_header(file, len(source.names), shape) + state["written"] * size)
            file.seek(0, os.SEEK_END)
            name = f"preparing {path.parent.name}/{path.stem}"
            for i in tqdm(range(state["read"], len(source.names)), desc=name, unit=" images", mininterval=5):
                try:
                    image = np.ascontiguousarray(source.read(i), dtype=np.uint8).reshape(size)
                except (OSError, ValueError) as error:
                    if strict:
                        raise DataError(f"{source.names[i]} cannot be read ({error}); mend or remove it") from error
                    state["left_out"].append(f"{source.names[i]}: {error}")
                else:
                    file.write(image.data)
                    state["written"] += 1
                state["read"] = i + 1
                if state["read"] % STRIDE == 0:
                    _note(file, note, state)
            if not state["written"]:
                raise _nothing(path, part, note, state)
            _header(file, state["written"], shape)
            file.flush()
            os.fsync(file.fileno())
        _seal(path, part, source.fingerprint, state["left_out"])
        note.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder, and wait until no other process prepares images in it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows has none: there two processes at once are not kept apart
        yield
        return
    with open(folder / ".preparing", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begun(part: Path, note: Path, source: Source, size: int) -> dict[str, Any]:
    """How far an interrupted call came; nothing if it was with other pictures, or its files do not belong together."""
    fresh = {"fingerprint": source.fingerprint, "read": 0, "written": 0, "left_out": []}
    try:
        state = json.loads(note.read_text(encoding="utf-8"))
        good = state["fingerprint"] == source.fingerprint and part.stat().st_size >= state["written"] * size
        return state if good else fresh
    except (OSError, ValueError, KeyError):
        return fresh


def _room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise DataError(
            f"{path} would take {needed / 1e9:.1f} GB more, and the disk has {free / 1e9:.1f} GB left; make room, "
            "or name a data_root on another disk"
        )


def _header(file, count: int, shape: tuple[int, int, int]) -> int:
    """Write the .npy header of `count` images; the place where they begin, the same for every count."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": (count, *map(int, shape))}
    )
    return file.tell()


def _note(file, note: Path, state: dict[str, Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
    with replacing(note) as new:
        new.write_text(json.dumps(state), encoding="utf-8")


def _seal(path: Path, part: Path, fingerprint: str, left_out: Sequence[str]) -> None:
    """Write the .json beside, then give the array its name."""
    found = {"fingerprint": fingerprint, "left_out": list(left_out), **stamp(part), "sha256": sha256(part)}
    with replacing(path.with_suffix(".json")) as new:
        new.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _nothing(path: Path, part: Path, note: Path, state: dict[str, Any]) -> DataError:
    for file in (part, note):
        file.unlink(missing_ok=True)
    return DataError(f"none of the {state['read']} pictures for {path} can be read; first {state['left_out'][0]}")


@contextmanager
def _disk(path: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Turn what the disk refuses into a DataError; what a full one leaves half-written is removed."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        for part in parts if full else ():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        what = "the disk is full" if full else f"{error.strerror or error}"
        raise DataError(
            f"{path} cannot be written ({what}); name a data_root that has room and may be written"
        ) from error


def stamp(path: Path) -> dict[str, int]:
    """What tells cheaply that a file is the one it was."""
    return {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def beside(path: Path) -> dict[str, Any]:
    """What the .json beside a prepared array says; empty if there is none, as for arrays put there by hand."""
    note = path.with_suffix(".json")
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def read(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A prepared array, memory-mapped: uint8 (N, *shape).

    Its checksum is computed only if size or time of the file are not those noted beside it.

    Raises:
        DataError: truncated, of another type or shape, or changed since it was prepared.
    """
    advice = "delete it to have it prepared again, or put the right file there"
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable .npy file ({error}); {advice}") from error
    if array.dtype != np.uint8 or array.shape[1:] != tuple(shape) or len(array) == 0:
        raise DataError(f"{path} holds {array.dtype} {array.shape}; it should be uint8 (N, {shape}); {advice}")
    noted = beside(path)
    if "sha256" in noted and stamp(path) != {name: noted.get(name) for name in ("bytes", "mtime_ns")}:
        if sha256(path) != noted["sha256"]:
            raise DataError(
                f"{path} is not the file that was prepared (its checksum differs); {advice}. If you put it there "
                f"yourself, delete {path.with_suffix('.json').name} beside it"
            )
        with suppress(OSError), replacing(path.with_suffix(".json")) as new:  # copied: the next time is cheap again
            new.write_text(json.dumps({**noted, **stamp(path)}, indent=1) + "\n", encoding="utf-8")
    return array
