import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from innae_utils import data, prepare, settings, sweeps
from innae_utils.prepare import DataError


def pictures(folder, count, height=250, width=250, kind="png"):
    """Noise as picture files; the pixels, in the order of the names."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"face_{i:03d}.{kind}")
    return pixels.transpose(0, 3, 1, 2)


def source(pixels, broken=(), stop_at=None):
    def read(i):
        if i == stop_at:
            raise KeyboardInterrupt
        if i in broken:
            raise OSError("not a picture")
        return pixels[i]

    return prepare.Source([f"p{i}" for i in range(len(pixels))], read, "same", "the place")


def visible(folder):
    """The files of a folder but for locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def few(monkeypatch):
    """Twelve small pictures, and a note of progress after every second one."""
    monkeypatch.setattr(prepare, "STRIDE", 2)
    return np.random.default_rng(1).integers(0, 256, (12, 3, 4, 6), np.uint8)


# ---- arrays ------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_memory_mapped(few, tmp_path):
    path = tmp_path / "a" / "train_images.npy"
    prepare.write(path, source(few), (3, 4, 6))
    array = prepare.read(path, (3, 4, 6))
    assert isinstance(array, np.memmap) and np.array_equal(array, few)
    assert np.array_equal(np.load(path), few), "an ordinary .npy file"
    assert visible(path.parent) == ["train_images.json", "train_images.npy"]
    assert prepare.beside(path)["sha256"] == prepare.sha256(path)


def test_an_interrupted_preparation_goes_on_and_ends_the_same(few, tmp_path):
    path = tmp_path / "train_images.npy"
    with pytest.raises(KeyboardInterrupt):
        prepare.write(path, source(few, stop_at=7, broken=(1,)), (3, 4, 6))
    assert not path.exists() and json.loads(path.with_suffix(".progress.json").read_text())["read"] == 6
    asked = []
    again = source(few, broken=(1,))
    counted = prepare.Source(again.names, lambda i: asked.append(i) or again.read(i), again.fingerprint)
    prepare.write(path, counted, (3, 4, 6))
    assert asked == list(range(6, 12)), "what was decoded is not decoded again"
    assert np.array_equal(np.load(path), np.delete(few, 1, axis=0))
    assert prepare.beside(path)["left_out"] == ["p1: not a picture"]
    assert visible(tmp_path) == ["train_images.json", "train_images.npy"]


def test_a_preparation_killed_at_its_very_end_never_leaves_an_old_array_with_a_new_note(few, tmp_path, monkeypatch):
    path = tmp_path / "train_images.npy"
    prepare.write(path, source(few), (3, 4, 6))
    other = source(255 - few)
    other = prepare.Source(other.names, other.read, "other")

    def killed(*paths):
        if Path(paths[-1]) == path:
            raise KeyboardInterrupt
        return really(*paths)

    really = os.replace
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare.write(path, other, (3, 4, 6))
    monkeypatch.undo()
    prepare.write(path, other, (3, 4, 6))
    assert np.array_equal(prepare.read(path, (3, 4, 6)), 255 - few)


def test_an_interrupted_preparation_of_other_pictures_is_not_gone_on_from(few, tmp_path):
    path = tmp_path / "train_images.npy"
    with pytest.raises(KeyboardInterrupt):
        prepare.write(path, source(few, stop_at=7), (3, 4, 6))
    other = prepare.Source([f"q{i}" for i in range(12)], lambda i: 255 - few[i], "other")
    prepare.write(path, other, (3, 4, 6))
    assert np.array_equal(np.load(path), 255 - few)


@pytest.mark.parametrize("note", ["[]", "null", '{"fingerprint": "same", "read": "2", "written": 2, "left_out": []}'])
def test_a_note_of_progress_that_is_none_is_no_hindrance(few, tmp_path, note):
    path = tmp_path / "train_images.npy"
    path.with_suffix(".part.npy").write_bytes(bytes(10_000))
    path.with_suffix(".progress.json").write_text(note)
    prepare.write(path, source(few), (3, 4, 6))
    assert np.array_equal(np.load(path), few)


def test_a_part_that_lacks_the_end_of_what_is_noted_is_begun_anew(few, tmp_path):
    path = tmp_path / "train_images.npy"
    with pytest.raises(KeyboardInterrupt):
        prepare.write(path, source(few, stop_at=7), (3, 4, 6))
    os.truncate(path.with_suffix(".part.npy"), 6 * few[0].size + 10)  # all six but for the header's length
    prepare.write(path, source(few), (3, 4, 6))
    assert np.array_equal(np.load(path), few), "no black pixels in place of the missing ones"


def test_broken_pictures_are_fatal_if_strict_and_all_named(few, tmp_path):
    said = "the place: 2 that cannot be read: p3: not a picture; p8: not a picture; mend or remove these"
    with pytest.raises(DataError, match=said):
        prepare.write(tmp_path / "x.npy", source(few, broken=(3, 8)), (3, 4, 6), strict=True)
    assert not (tmp_path / "x.npy").exists()


def test_strict_finds_also_what_an_interrupted_call_left_out(few, tmp_path):
    path = tmp_path / "x.npy"
    with pytest.raises(KeyboardInterrupt):
        prepare.write(path, source(few, stop_at=7, broken=(1,)), (3, 4, 6))
    with pytest.raises(DataError, match="1 that cannot be read: p1"):
        prepare.write(path, source(few, broken=(1,)), (3, 4, 6), strict=True)
    assert not path.exists()
    prepare.write(path, source(few), (3, 4, 6), strict=True)
    assert np.array_equal(np.load(path), few), "and takes it when it is readable now"


def test_nothing_but_broken_pictures_is_an_error_and_leaves_nothing(few, tmp_path):
    said = r"the place: none of the 12 pictures chosen for .*x.npy can be read \(12 .*p0: not a picture.*; mend them"
    with pytest.raises(DataError, match=said):
        prepare.write(tmp_path / "x.npy", source(few, broken=range(12)), (3, 4, 6))
    assert not visible(tmp_path)


def test_a_disk_too_small_is_told_before_anything_is_decoded(few, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DataError, match=r"would take 864 bytes more, and the disk has 100 bytes left; make room"):
        prepare.write(tmp_path / "x.npy", source(few, stop_at=0), (3, 4, 6))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as POSIX does")
def test_a_file_that_cannot_grow_is_an_error_and_no_shorter_array(few, tmp_path):
    """The limit on a file's size stands for a disk that takes no more in the middle of a picture."""
    code = (
        "import resource, signal, sys; import numpy as np; from pathlib import Path; from innae_utils import prepare\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "images = np.ones((12, 3, 100, 100), np.uint8)\n"
        "prepare.write(Path(sys.argv[1]), prepare.Source(['p'] * 12, lambda i: images[i], 'x'), (3, 100, 100))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.npy"], capture_output=True, text=True)
    assert done.returncode == 1 and "Unwritable" in done.stderr and "x.npy cannot be written" in done.stderr
    assert not (tmp_path / "x.npy").exists()


def test_a_disk_that_fills_up_leaves_nothing_half_written(few, tmp_path, monkeypatch):
    def full(file, note, state):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare, "_note", full)
    with pytest.raises(DataError, match=r"x\.npy cannot be written \(the disk is full\); name a data_root"):
        prepare.write(tmp_path / "x.npy", source(few), (3, 4, 6))
    assert not visible(tmp_path)


def test_a_second_process_waits_and_finds_the_array_written(few, tmp_path):
    path = tmp_path / "x.npy"
    code = (
        "import sys, time; import numpy as np; from pathlib import Path; from innae_utils import prepare\n"
        "images = np.full((12, 3, 4, 6), 9, np.uint8)\n"
        "slow = lambda i: time.sleep(0.1) or print('one', flush=True) or images[i]\n"
        "prepare.write(Path(sys.argv[1]), prepare.Source(['p'] * 12, slow, 'same'), (3, 4, 6))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "one\n"
    prepare.write(path, source(few, stop_at=0), (3, 4, 6))  # which would stop if it decoded anything itself
    first.communicate()
    assert first.returncode == 0 and (prepare.read(path, (3, 4, 6)) == 9).all()


def test_a_changed_array_is_refused_and_a_copied_one_is_not(few, tmp_path):
    path = tmp_path / "train_images.npy"
    prepare.write(path, source(few), (3, 4, 6))
    os.utime(path, (1, 1))  # copied: another time, the same bytes
    assert np.array_equal(prepare.read(path, (3, 4, 6)), few)
    assert prepare.beside(path)["mtime_ns"] == 10**9, "and is not summed up again"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum differs.*delete it to have it prepared again"):
        prepare.read(path, (3, 4, 6))


def test_a_truncated_array_is_refused(few, tmp_path):
    path = tmp_path / "train_images.npy"
    np.save(path, few)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="not a readable .npy file"):
        prepare.read(path, (3, 4, 6))


# ---- reading -----------------------------------------------------------------------------------------------------


def failing(error, names):
    """`Path.read_bytes` that raises an error for pictures of these names."""
    really = Path.read_bytes

    def read_bytes(path):
        if path.name in names:
            raise error
        return really(path)

    return read_bytes


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOENT])
def test_a_disk_that_fails_while_reading_is_no_picture_left_out(tmp_path, monkeypatch, number):
    pixels = pictures(tmp_path / "in", 10, 8, 8)
    path = tmp_path / "out" / "train_images.npy"
    found = prepare.files(tmp_path / "in", prepare.fitted(8, 8))
    with monkeypatch.context() as patched:
        names = {f"face_{i:03d}.png" for i in range(4, 10)}
        patched.setattr(Path, "read_bytes", failing(OSError(number, "the disk fails"), names))
        with pytest.raises(DataError, match=r"in/face_004.png was there .*the disk fails.*is kept"):
            prepare.write(path, found, (3, 8, 8))
    assert not path.exists()
    asked = []
    again = prepare.Source(found.names, lambda i: asked.append(i) or found.read(i), found.fingerprint)
    prepare.write(path, again, (3, 8, 8))
    assert asked == list(range(4, 10)), "it goes on where the disk failed"
    assert np.array_equal(np.load(path), pixels) and prepare.beside(path)["left_out"] == []


def test_files_that_may_not_be_read_or_lead_nowhere_are_left_out_and_named(tmp_path, monkeypatch):
    pictures(tmp_path / "in", 3, 8, 8)
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "in" / "linked.png").symlink_to("face_002.png")
    monkeypatch.setattr(Path, "read_bytes", failing(PermissionError(errno.EACCES, "no"), {"face_001.png"}))
    found = prepare.files(tmp_path / "in", prepare.fitted(8, 8))
    prepare.write(tmp_path / "x.npy", found, (3, 8, 8))
    said = ["face_001.png: no permission to read it", "link.png: a link to nothing"]
    assert prepare.beside(tmp_path / "x.npy")["left_out"] == said and len(np.load(tmp_path / "x.npy")) == 3
    (tmp_path / "gone.png").write_bytes(b"is there")
    assert prepare.files(tmp_path / "in", None).fingerprint != found.fingerprint


def test_kinds_that_pil_does_not_open_are_left_out_and_named(tmp_path):
    pictures(tmp_path / "in", 2, 8, 8)
    for name in ("a.HEIC", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "in" / "c.heif").write_bytes(b"nothing")
    prepare.write(tmp_path / "x.npy", prepare.files(tmp_path / "in", prepare.fitted(8, 8)), (3, 8, 8))
    kind = "kind not supported; convert it to JPEG or PNG"
    said = [f"a.HEIC: {kind}", f"b.jpg: {kind}", "c.heif: not a picture"]
    assert prepare.beside(tmp_path / "x.npy")["left_out"] == said


def test_a_folder_that_cannot_be_looked_through_is_named(tmp_path, monkeypatch):
    pictures(tmp_path / "in", 2, 8, 8)

    def fails(path):
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(Path, "is_file", fails)
    with pytest.raises(DataError, match=r"face_000.png cannot be looked at .Stale file handle.; see that all of"):
        prepare.files(tmp_path / "in", None)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_what_is_hidden_in_an_archive_is_no_picture(tmp_path, kind):
    pictures(tmp_path / "in" / "faces", 2, 8, 8)
    for name in ("__MACOSX/face_000.png", "faces/._face_000.png", ".thumbs/face_000.png"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"no picture")
    path = Path(shutil.make_archive(str(tmp_path / "faces"), kind, tmp_path / "in"))
    names = [name.removeprefix("./") for name in prepare.archive(path, None).names]
    assert names == ["faces/face_000.png", "faces/face_001.png"] == prepare.files(tmp_path / "in", None).names


@pytest.mark.parametrize(("at", "value", "said"), [(8, 1, "is encrypted"), (10, 99, "compression")])
def test_an_archive_that_cannot_be_unpacked_is_named(tmp_path, at, value, said):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", b"content")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + at] = value  # in the list at its end: a password, a method nobody knows
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"faces.zip cannot be unpacked at a.png .*{said}.*; unpack it yourself"):
        prepare.archive(path, None).read(0)


# ---- faces -------------------------------------------------------------------------------------------------------


def test_lfw_from_a_folder_is_cropped_split_and_resized(tmp_path, whole):
    whole("lfw", 8, 2)
    pixels = pictures(tmp_path / "lfw_home" / "lfw_funneled" / "Some_One", 10)
    train, test = (data.load("lfw", name, tmp_path) for name in data.SPLITS)
    assert (len(train), len(test)) == (8, 2) and train.shape == (3, 218, 178)
    order = np.random.default_rng(0).permutation(10)
    expected = pixels[order][:, :, 16:234, 36:214]
    assert np.array_equal(train.pixels.numpy(), expected[:8]) and np.array_equal(test.pixels.numpy(), expected[8:])
    from torchvision.transforms import Resize

    small = data.load("lfw", "test", tmp_path, size=(156, 128))
    authors = [np.asarray(Resize(128)(Image.fromarray(one.transpose(1, 2, 0)))) for one in expected[8:]]
    assert np.array_equal(small.pixels.numpy(), np.stack(authors).transpose(0, 3, 1, 2))


def test_smaller_images_follow_when_the_larger_ones_change(tmp_path, whole):
    whole("lfw", 8, 2)
    for value in (3, 200):
        (tmp_path / "lfw").mkdir(exist_ok=True)
        np.save(tmp_path / "lfw" / "test_images.npy", np.full((2, 3, 218, 178), value, np.uint8))
        assert data.load("lfw", "test", tmp_path, size=(156, 128)).pixels.unique().tolist() == [value]


def test_celeba_from_a_folder_and_from_its_archive(tmp_path, whole):
    whole("celeba", 4, 1)
    one, two = tmp_path / "one", tmp_path / "two"
    pictures(one / "celeba" / "img_align_celeba", 5, 218, 178)
    (two / "celeba").mkdir(parents=True)
    with zipfile.ZipFile(two / "celeba" / "img_align_celeba.zip", "w") as file:
        for path in (one / "celeba" / "img_align_celeba").iterdir():
            file.write(path, f"img_align_celeba/{path.name}")
    for name in data.SPLITS:
        assert np.array_equal(data.load("celeba", name, one).pixels, data.load("celeba", name, two).pixels)


def apart(root):
    """Whether no image of CelebA is in both splits, and how many there are."""
    train, test = (data.load("celeba", name, root).pixels.flatten(1).numpy() for name in data.SPLITS)
    return not {row.tobytes() for row in train} & {row.tobytes() for row in test}, len(train) + len(test)


def test_the_splits_of_a_folder_that_has_grown_do_not_mix(tmp_path, whole):
    folder = tmp_path / "celeba" / "img_align_celeba"
    whole("celeba", 8, 2)
    pictures(folder, 10, 218, 178)
    data.prepare("celeba", tmp_path)
    (tmp_path / "celeba" / "test_images.npy").unlink()
    whole("celeba", 32, 8)
    pictures(folder, 40, 218, 178)
    assert apart(tmp_path) == (True, 40), "the training images, loaded first, are of the grown folder too"
    for file in (tmp_path / "celeba").glob("train_images.json"):
        file.unlink()
    (tmp_path / "celeba" / "test_images.npy").unlink()
    with pytest.raises(DataError, match="put there by hand, and the other split was not"):
        data.load("celeba", "test", tmp_path)


def test_a_new_preparation_that_was_interrupted_is_ended_before_its_splits_are_trusted(tmp_path, whole, monkeypatch):
    folder = tmp_path / "celeba" / "img_align_celeba"
    whole("celeba", 16, 4)
    pictures(folder, 20, 218, 178)
    data.prepare("celeba", tmp_path)
    whole("celeba", 20, 5)
    pictures(folder, 25, 218, 178)
    (tmp_path / "celeba" / "train_images.npy").unlink()
    write = prepare.write

    def only_train(path, *more):
        if path.stem == "test_images":
            raise KeyboardInterrupt
        write(path, *more)

    with monkeypatch.context() as patched:
        patched.setattr(prepare, "write", only_train)
        with pytest.raises(KeyboardInterrupt):
            data.load("celeba", "train", tmp_path)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "celeba", elsewhere / "celeba", ignore=shutil.ignore_patterns(folder.name))
    with pytest.raises(DataError, match="prepared from different pictures.* are gone; put these there again"):
        data.load("celeba", "test", elsewhere)
    assert apart(tmp_path) == (True, 25)


def test_one_split_put_there_by_hand_stops_before_the_other_is_decoded(tmp_path):
    pictures(tmp_path / "celeba" / "img_align_celeba", 5, 218, 178)
    np.save(tmp_path / "celeba" / "test_images.npy", np.zeros((1, 3, 218, 178), np.uint8))
    with pytest.raises(DataError, match=r"test_images.npy was put there by hand"):
        data.load("celeba", "train", tmp_path)
    assert not list(tmp_path.glob("celeba/train_images*"))


@pytest.mark.parametrize("split", data.SPLITS)
def test_one_split_put_there_by_hand_beside_a_prepared_one_is_refused(tmp_path, whole, split):
    whole("celeba", 4, 1)
    pictures(tmp_path / "celeba" / "img_align_celeba", 5, 218, 178)
    data.prepare("celeba", tmp_path)
    (tmp_path / "celeba" / "test_images.json").unlink()
    np.save(tmp_path / "celeba" / "test_images.npy", np.load(tmp_path / "celeba" / "train_images.npy")[:1])
    with pytest.raises(DataError, match=r"test_images.npy was put there by hand, and the other split was not"):
        data.load("celeba", split, tmp_path)


def test_a_compressed_archive_is_read_in_any_order(tmp_path):
    pixels = pictures(tmp_path / "faces", 6)
    (tmp_path / "lfw").mkdir()
    with tarfile.open(tmp_path / "lfw" / "faces.tgz", "w:gz") as file:
        file.add(tmp_path / "faces", "faces")
    shutil.rmtree(tmp_path / "faces")
    found = prepare.archive(tmp_path / "lfw" / "faces.tgz", prepare.lfw)
    for i in (4, 0, 5):
        assert np.array_equal(found.read(i), pixels[i, :, 16:234, 36:214])


def test_faces_of_another_size_are_left_out_and_named_with_every_load(tmp_path, whole):
    whole("celeba", 5, 1)
    pictures(tmp_path / "celeba" / "img_align_celeba", 5, 218, 178)
    Image.new("RGB", (10, 20)).save(tmp_path / "celeba" / "img_align_celeba" / "small.png")
    for _ in range(2):
        with pytest.warns(UserWarning, match="CelebA: left out 1 .*small.png: 10 x 20 pixels; .* CelebA are 178 x 218"):
            data.prepare("celeba", tmp_path)


def test_faces_that_cannot_be_read_are_fatal_if_strict_however_often_one_asks(tmp_path, whole):
    whole("celeba", 5, 1)
    folder = tmp_path / "celeba" / "img_align_celeba"
    pictures(folder, 6, 218, 178)
    whole_face = (folder / "face_000.png").read_bytes()
    (folder / "face_000.png").write_bytes(b"no picture")
    said = "img_align_celeba: 1 that cannot be read: face_000.png: not a picture; mend or remove these"
    for _ in range(2):
        with pytest.raises(DataError, match=said):
            data.prepare("celeba", tmp_path, strict=True)
    with pytest.warns(UserWarning, match="left out 1"):
        data.prepare("celeba", tmp_path)
    with pytest.raises(DataError, match=said):
        data.prepare("celeba", tmp_path, strict=True)
    (folder / "face_000.png").write_bytes(whole_face)
    assert data.prepare("celeba", tmp_path, strict=True) == {"train": 5, "test": 1}


def test_half_a_data_set_is_told_with_every_load(tmp_path):
    pictures(tmp_path / "celeba" / "img_align_celeba", 5, 218, 178)
    for _ in range(2):
        with pytest.warns(UserWarning) as told:
            data.prepare("celeba", tmp_path)
        assert [str(one.message) for one in told] == [
            "CelebA: 4 train images found, not the 162,079 it has",
            "CelebA: 1 test images found, not the 40,520 it has",
        ]


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "faces.zip").write_bytes(b"PK\x03\x04 half a zip")
    with pytest.raises(DataError, match=r"faces\.zip is no readable archive"):
        data.load("lfw", "train", tmp_path)


def test_missing_faces_say_how_to_place_them(tmp_path, monkeypatch):
    def quota(*_, **__):
        raise RuntimeError("The daily quota of the file is exceeded")

    monkeypatch.setattr("torchvision.datasets.CelebA.__init__", quota)
    with pytest.raises(DataError, match=r"img_align_celeba/, or its archive .*\(The daily quota of the file"):
        data.load("celeba", "train", tmp_path)


def test_real_lfw_equals_the_reference(tmp_path):
    archive = settings.data_root() / "lfw" / "lfw_deepfunneled_4000.zip"
    if not archive.exists():
        pytest.skip(f"no {archive}")
    faces = prepare.archive(archive, prepare.lfw)
    assert len(faces.names) == 4000
    with zipfile.ZipFile(archive) as opened:
        content = opened.read(sorted(name for name in opened.namelist() if name.endswith(".jpg"))[7])
    whole = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(faces.read(7), whole[16:234, 36:214].transpose(2, 0, 1))


# ---- a folder of one's own ----------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("INNAE_DATA", str(tmp_path / "root"))
    return tmp_path / "holiday"


def test_own_images_are_scaled_to_cover_and_cut(own):
    pictures(own / "day 1", 4, 40, 80)
    pictures(own / "day 2", 1, 64, 48, "jpg")
    train, test = (data.load("images", name, own, size=(32, 24)) for name in data.SPLITS)
    assert (len(train), len(test)) == (4, 1) and train.shape == test.shape == (3, 32, 24)
    flat = own / "flat"
    flat.mkdir()
    Image.new("RGB", (90, 30), (255, 0, 0)).save(flat / "wide.png")
    content = (flat / "wide.png").read_bytes()
    assert (prepare.fitted(32, 24)(content) == np.array([255, 0, 0])[:, None, None]).all()
    assert sorted(p.name for p in own.iterdir()) == ["day 1", "day 2", "flat"], "nothing is written into it"


def test_own_images_of_the_right_size_are_taken_as_they_are(own):
    pixels = pictures(own, 5, 32, 24)
    order = np.random.default_rng(0).permutation(5)
    assert np.array_equal(data.load("images", "train", own, size=(32, 24)).pixels, pixels[order[:4]])


def test_a_changed_folder_is_prepared_again(own):
    pixels = pictures(own, 5, 32, 24, "bmp")
    data.load("images", "train", own, size=(32, 24))
    for path in own.iterdir():  # other pixels, and not a byte more or less
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    order = np.random.default_rng(0).permutation(5)
    assert np.array_equal(data.load("images", "train", own, size=(32, 24)).pixels, 255 - pixels[order[:4]])
    (own / "face_000.bmp").unlink()
    assert len(data.load("images", "train", own, size=(32, 24))) == 3


def test_more_than_eight_bits_are_refused_and_not_cut_off_at_white():
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 32 * 24).reshape(32, 24).astype(np.uint16)).save(file, "png")
    with pytest.raises(ValueError, match="more than 8 bits a channel"):
        prepare.picture(file.getvalue())


def test_unreadable_own_images_are_listed_or_fatal(own):
    pictures(own, 9, 32, 24)
    for i in (2, 5):
        (own / f"face_{i:03d}.png").write_bytes(b"no picture")
    whole = (own / "face_000.png").read_bytes()
    (own / "face_000.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="that cannot be read: .*face_00"):
        counts = data.prepare("images", own, [(32, 24)])
    assert sum(counts.values()) == 6
    with pytest.raises(DataError, match=r"holiday: \d that cannot be read: face_00\d\.png: .*; mend or remove these"):
        data.prepare("images", own, [(32, 24)], strict=True)


def test_a_split_without_a_single_readable_picture_names_the_folder_and_what_to_do(own):
    pictures(own, 2, 32, 24)
    (own / "face_000.png").write_bytes(b"no picture")
    said = r"holiday: none of the 1 pictures chosen for .*_images.npy can be read .*face_000.png.*; mend them"
    with pytest.raises(DataError, match=said):
        data.prepare("images", own, [(32, 24)])


@pytest.mark.parametrize(("count", "said"), [(0, "holds no picture; at least two"), (1, "one picture alone .face_000")])
def test_too_few_own_images(own, count, said):
    pictures(own, count, 32, 24)
    with pytest.raises(DataError, match=said):
        data.load("images", "train", own, size=(32, 24))


def test_a_folder_that_is_none(own):
    with pytest.raises(DataError, match="is no folder; name the one that holds your images"):
        data.load("images", "train", own, size=(32, 24))
    with pytest.raises(settings.ParameterError, match="data_root: .* is no folder"):
        sweeps.check_sweep({"dataset": "images", "image_size": "32,24", "data_root": str(own)})
