"""Pictures of any source -> prepared uint8 arrays: decoded once, resumable, checked, memory-mapped ever after.

`<split>_images.npy` appears only when it is whole; beside it lies `<split>_images.json`: the checksum, fingerprints of
the pictures it was made from and of all that these were drawn from, and which of them could not be read.
"""

import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np

from innae_utils.results import replacing

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
FOREIGN = (".avif", ".heic", ".heif")  # of a phone; PIL opens them only with a plugin, and they are told if it does not
STRIDE = 500  # pictures between two notes of how far it is: what an interruption can cost


class DataError(RuntimeError):
    """Images are missing or not what they should be; the message names the path and what to do."""


class Unwritable(DataError):
    """A prepared array cannot be written where it belongs: no permission, no room, a fault of the disk."""


@dataclass(frozen=True)
class Source:
    """Pictures still to be decoded.

    Args:
        names: one a picture, as a person would name it.
        read: index -> (C, H, W) uint8; raises OSError or ValueError for a picture that cannot be read, and DataError
            where the disk is at fault and not the picture.
        fingerprint: changes when the pictures do; an interrupted preparation goes on only with the same one.
        place: the folder or archive that holds them, for messages.
        whole: the fingerprint of the source that these are a part of; "" if they are a part of none.
    """

    names: Sequence[str]
    read: Callable[[int], np.ndarray]
    fingerprint: str
    place: str = ""
    whole: str = ""

    def part(self, index: Sequence[int]) -> "Source":
        """Some of the pictures, in the given order."""
        index = [int(i) for i in index]
        chosen = digest([self.fingerprint, index])
        names = [self.names[i] for i in index]
        return Source(names, lambda i: self.read(index[i]), chosen, self.place, self.fingerprint)


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


def is_picture(name: PurePath) -> bool:
    """Whether a file is a picture by its name, and neither hidden nor what a Mac leaves beside one in an archive.

    Example:
        >>> [is_picture(PurePath(name)) for name in ("day 1/a.JPG", "notes.txt", ".thumbs/a.jpg", "__MACOSX/a.jpg")]
        [True, False, False, False]
    """
    aside = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in PICTURES + FOREIGN and not aside


def files(folder: Path, decode: Callable[[bytes], np.ndarray], pattern: str = "*") -> Source:
    """The picture files in a folder and below, sorted by name; links to nothing are among them, and cannot be read.

    Raises DataError if the folder cannot be looked through, or changes meanwhile.
    """
    try:
        paths = sorted(path for path in folder.rglob(pattern) if is_picture(path.relative_to(folder)))
        lost = {path for path in paths if path.is_symlink() and not path.exists()}
        paths = [path for path in paths if path in lost or path.is_file()]
        names = [path.relative_to(folder).as_posix() for path in paths]
        stamps = [_stamp(path.lstat() if path in lost else path.stat()) for path in paths]
    except OSError as error:
        at, why = error.filename or folder, error.strerror or error
        raise DataError(f"{at} cannot be looked at ({why}); see that all of {folder} is there") from error

    def read(i: int) -> np.ndarray:
        if paths[i] in lost:
            raise OSError("a link to nothing")
        return decode(_content(paths[i]))

    print_of = digest([[name, *one.values()] for name, one in zip(names, stamps, strict=True)])
    return Source(names, read, print_of, str(folder))


def _content(path: Path) -> bytes:
    """The bytes of a picture file. Raises PermissionError, which is the file's matter, and DataError for all others."""
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionError("no permission to read it") from error
    except OSError as error:  # a disk that fails, a share that is gone: the next pictures would be lost as well
        raise DataError(
            f"{path} was there and cannot be read any more ({error.strerror or error}); see to its disk and start "
            "again: what is decoded already is kept"
        ) from error


def archive(path: Path, decode: Callable[[bytes], np.ndarray]) -> Source:
    """The pictures in a .zip, .tar, .tgz or .tar.gz file, sorted by name.

    Raises DataError if it cannot be read; so does reading a picture that cannot be unpacked.
    """
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
    names = sorted(name for name in members if is_picture(PurePath(name)))

    def content(i: int) -> bytes:
        try:
            return read(members[names[i]])
        except RuntimeError as error:  # a password, or a compression that Python does not know
            raise DataError(
                f"{path} cannot be unpacked at {names[i]} ({error}); unpack it yourself, and put its pictures there"
            ) from error
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DataError(f"{path} is damaged at {names[i]} ({error}); put a whole one there") from error

    print_of = digest([path.name, path.stat().st_size, names])
    return Source(names, lambda i: decode(content(i)), print_of, str(path))


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
        phone = content[4:8] == b"ftyp"  # so begin HEIC and AVIF, whatever the name says
        raise OSError("kind not supported; convert it to JPEG or PNG" if phone else "not a picture") from error
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


def decoded(pixels: np.ndarray, place: str) -> Source:
    """Images (N, C, H, W) that are decoded already; their very bytes are the fingerprint."""
    content = np.ascontiguousarray(pixels)
    print_of = digest([content.shape, hashlib.sha256(content).hexdigest()])
    return Source([f"image {i}" for i in range(len(content))], content.__getitem__, print_of, place)


# ---- prepared arrays -------------------------------------------------------------------------------------------


def write(path: Path, source: Source, shape: tuple[int, int, int], strict: bool = False) -> None:
    """Decode all pictures of a source into `path`, uint8 (N, *shape), going on where an interrupted call stopped.

    Args:
        path: ends in .npy; it appears when everything is written.
        source: the pictures.
        shape: (C, H, W) of each.
        strict: pictures that cannot be read are an error; else they are left out, and named in the .json beside.

    Raises:
        Unwritable: the disk is full or not writable; a full one is left without the half-written array.
        DataError: no picture could be read, some could not and `strict` is set, or the disk failed while reading.
            What was decoded is kept, unless it is nothing.
    """
    part, note = path.with_suffix(".part.npy"), path.with_suffix(".progress.json")
    size = int(np.prod(shape))
    with _disk(path, [part, note]), alone_in(path.parent):
        if is_made_of(path, source, strict):
            return  # another process has just written it
        state = _begun(part, note, source, shape)
        if strict and state["left_out"]:
            state = _fresh(source)  # what was left out then may not be now
        _room(path, (len(source.names) - state["written"]) * size)
        with open(part, "r+b" if state["read"] else "w+b") as file:
            file.truncate(_header(file, len(source.names), shape) + state["written"] * size)
            file.seek(0, os.SEEK_END)
            try:
                _decode(file, note, source, size, state, f"preparing {path.parent.name}/{path.stem}")
                _refuse(source, state["left_out"] if strict else [])
            except DataError:
                _note(file, note, state)
                raise
            if not state["written"]:
                raise _nothing(path, source, [part, note], state)
            _header(file, state["written"], shape)
            file.flush()
            os.fsync(file.fileno())
        _seal(path, part, source, state["left_out"])
        note.unlink(missing_ok=True)


def is_made_of(path: Path, source: Source, strict: bool = False) -> bool:
    """Whether a prepared array is there, of just these pictures, and has them all if `strict` is set."""
    noted = beside(path)
    same = (noted.get("fingerprint"), noted.get("whole")) == (source.fingerprint, source.whole)
    return path.exists() and same and not (strict and noted.get("left_out"))


def _decode(file: IO[bytes], note: Path, source: Source, size: int, state: dict[str, Any], title: str) -> None:
    """Append the pictures that are still to be read, and keep account of them in `state`."""
    from tqdm import tqdm

    for i in tqdm(range(state["read"], len(source.names)), desc=title, unit=" images", mininterval=5):
        try:
            image = np.ascontiguousarray(source.read(i), dtype=np.uint8).reshape(size)
        except (OSError, ValueError) as error:
            state["left_out"].append(f"{source.names[i]}: {error}")
        else:
            file.write(image.data)
            state["written"] += 1
        state["read"] = i + 1
        if state["read"] % STRIDE == 0:
            _note(file, note, state)


def _refuse(source: Source, left_out: Sequence[str]) -> None:
    """Raise DataError if pictures were left out."""
    if left_out:
        raise DataError(f"{source.place}: {listed(left_out)}; mend or remove these, or set strict to false")


def listed(left_out: Sequence[str], most: int = 10) -> str:
    """Pictures that cannot be read, in words.

    Example:
        >>> listed(["a.png: not a picture", "b.png: a link to nothing"], most=1)
        '2 that cannot be read: a.png: not a picture; and 1 more'
    """
    more = f"; and {len(left_out) - most} more" if len(left_out) > most else ""
    return f"{len(left_out)} that cannot be read: {'; '.join(left_out[:most])}{more}"


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


def _fresh(source: Source) -> dict[str, Any]:
    """The state of a preparation that begins."""
    return {"fingerprint": source.fingerprint, "read": 0, "written": 0, "left_out": []}


def _begun(part: Path, note: Path, source: Source, shape: tuple[int, int, int]) -> dict[str, Any]:
    """How far an interrupted call came; nothing if it was with other pictures, or its files do not belong together."""
    try:
        state = json.loads(note.read_text(encoding="utf-8"))
        counts = 0 <= state["written"] == state["read"] - len(state["left_out"]) and state["read"] <= len(source.names)
        held = _header(io.BytesIO(), len(source.names), shape) + state["written"] * int(np.prod(shape))
        good = state["fingerprint"] == source.fingerprint and counts and part.stat().st_size >= held
        return state if good else _fresh(source)
    except (OSError, ValueError, KeyError, TypeError):
        return _fresh(source)


def _room(path: Path, needed: int) -> None:
    """Raise Unwritable if the disk has not so many bytes left."""
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise Unwritable(
            f"{path} would take {readable(needed)} more, and the disk has {readable(free)} left; make room, or name "
            "a data_root on another disk"
        )


def readable(count: int) -> str:
    """A number of bytes as a person would say it.

    Example:
        >>> readable(864), readable(47_040_000), readable(23_600_000_000)
        ('864 bytes', '47.0 MB', '23.6 GB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


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


def _seal(path: Path, part: Path, source: Source, left_out: Sequence[str]) -> None:
    """Write the .json beside, then give the array its name: an older one goes first, since the .json is not its."""
    found = {"fingerprint": source.fingerprint, "whole": source.whole, "left_out": list(left_out)}
    found |= {**stamp(part), "sha256": sha256(part)}
    path.unlink(missing_ok=True)
    with replacing(path.with_suffix(".json")) as new:
        new.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _nothing(path: Path, source: Source, parts: Sequence[Path], state: dict[str, Any]) -> DataError:
    for file in parts:
        file.unlink(missing_ok=True)
    which = f"none of the {state['read']} pictures chosen for {path} can be read"
    return DataError(
        f"{source.place}: {which} ({listed(state['left_out'], 3)}); mend them, or put more pictures there: both splits "
        "need some"
    )


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk is behind an error, or behind one that it came of."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _disk(path: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Turn what the disk refuses into Unwritable; what a full one leaves half-written is removed."""
    try:
        yield
    except OSError as error:
        full = is_full(error)
        for part in parts if full else ():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        what = "the disk is full" if full else f"{error.strerror or error}"
        raise Unwritable(
            f"{path} cannot be written ({what}); name a data_root that has room and may be written"
        ) from error


def stamp(path: Path) -> dict[str, int]:
    """What tells cheaply that a file is the one it was."""
    return _stamp(path.stat())


def _stamp(status: os.stat_result) -> dict[str, int]:
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


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
