import errno
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from innae_utils import data, prepare
from innae_utils.data import DataError, Images


def write_idx(path, array):
    """An IDX file as MNIST's are: magic number, sizes, bytes."""
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def tiny_mnist(tmp_path, whole):
    whole("mnist", 20, 6)
    rng = np.random.default_rng(0)
    images = {"train": rng.integers(0, 256, (20, 28, 28)), "t10k": rng.integers(0, 256, (6, 28, 28))}
    for name, array in images.items():
        write_idx(tmp_path / f"MNIST/raw/{name}-images-idx3-ubyte", array)
        write_idx(tmp_path / f"MNIST/raw/{name}-labels-idx1-ubyte", rng.integers(0, 10, len(array)))
    return tmp_path, images


@pytest.fixture
def no_network(monkeypatch):
    import urllib.request

    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_digits_are_scikit_learns_split_80_20_without_overlap():
    train, test = data.load("digits", "train"), data.load("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.shape == test.shape == (1, 8, 8)
    ours = torch.cat((train.pixels, test.pixels)).flatten(1).numpy()
    theirs = load_digits().data
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs.astype(np.uint8)))
    x = train.batch(slice(None))
    assert float(x.min()) == 0.0 and float(x.max()) == 1.0


def test_mnist_in_torchvisions_layout_is_read_without_network(tiny_mnist, no_network):
    root, arrays = tiny_mnist
    train, test = data.load("mnist", "train", root), data.load("mnist", "test", root)
    assert np.array_equal(train.pixels[:, 0].numpy(), arrays["train"])
    assert np.array_equal(test.pixels[:, 0].numpy(), arrays["t10k"])
    assert np.allclose(test.batch(slice(None))[:, 0].numpy(), arrays["t10k"] / 255)


def test_real_mnist(mnist_root):
    assert data.prepare("mnist", mnist_root) == {"train": 60_000, "test": 10_000}
    x = data.load("mnist", "train", mnist_root)
    assert float((x.pixels.double() / 255).mean()) == pytest.approx(0.1307, abs=5e-5)  # the well-known mean


def test_prepared_arrays_win(tiny_mnist):
    root, _ = tiny_mnist
    (root / "mnist").mkdir()
    np.save(root / "mnist" / "train_images.npy", np.full((20, 1, 28, 28), 7, np.uint8))
    assert data.load("mnist", "train", root).pixels.unique().tolist() == [7]


def test_cifar10_as_prepared_arrays_of_another_number(tmp_path):
    (tmp_path / "cifar10").mkdir()
    array = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    np.save(tmp_path / "cifar10" / "test_images.npy", array)
    with pytest.warns(UserWarning, match="CIFAR-10: 5 test images found, not the 10,000 it has"):
        images = data.load("cifar10", "test", tmp_path)
    assert images.shape == (3, 32, 32) and np.array_equal(images.pixels.numpy(), array)


def test_missing_images_name_the_path_and_what_to_do(tmp_path, no_network):
    with pytest.raises(DataError) as caught:
        data.load("mnist", "train", tmp_path)
    said = str(caught.value)
    assert str(tmp_path) in said and "train_images.npy" in said and "INNAE_DATA" in said and "DATA_ROOT=" in said
    assert "damaged" not in said and "\n" not in said
    assert not list(tmp_path.iterdir()), "nothing is left behind"
    with pytest.raises(DataError):
        data.load("mnist", "train", tmp_path / "misspelt" / "folder")
    assert not (tmp_path / "misspelt").exists()


def test_a_download_is_stored_as_prepared_arrays(tiny_mnist, tmp_path_factory, monkeypatch):
    source, arrays = tiny_mnist
    packed = {path.name: gzip.compress(path.read_bytes()) for path in (source / "MNIST/raw").iterdir()}
    root = tmp_path_factory.mktemp("empty")

    def fetch(url, download_root, filename=None, md5=None):
        target = Path(download_root)
        (target / filename).write_bytes(packed[filename.removesuffix(".gz")])
        with gzip.open(target / filename) as file:
            (target / filename.removesuffix(".gz")).write_bytes(file.read())

    with monkeypatch.context() as patched:
        patched.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
        train = data.load("mnist", "train", root)
    assert np.array_equal(train.pixels[:, 0].numpy(), arrays["train"])
    kept = sorted(path.name for path in root.rglob("[!.]*") if path.is_file())
    assert kept == ["test_images.json", "test_images.npy", "train_images.json", "train_images.npy"]
    assert np.array_equal(data.load("mnist", "test", root).pixels[:, 0].numpy(), arrays["t10k"])


def test_a_download_leaves_alone_what_was_put_there_by_hand(tiny_mnist, tmp_path_factory, monkeypatch):
    source, arrays = tiny_mnist
    root = tmp_path_factory.mktemp("half")
    (root / "mnist").mkdir()
    np.save(root / "mnist" / "train_images.npy", np.full((20, 1, 28, 28), 7, np.uint8))
    here = data._torchvision
    monkeypatch.setattr(
        data, "_torchvision", lambda name, split, _, download: here(name, split, source, False) if download else None
    )
    assert np.array_equal(data.load("mnist", "test", root).pixels[:, 0].numpy(), arrays["t10k"])
    assert data.load("mnist", "train", root).pixels.unique().tolist() == [7]


def test_a_disk_that_is_full_during_a_download_says_make_room(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", full)
    with pytest.raises(DataError, match=r"MNIST could not be downloaded into .*: the disk is full; make room there"):
        data.load("mnist", "train", tmp_path)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_torchvisions_files_are_decoded_once_and_checked_ever_after(tiny_mnist, monkeypatch):
    root, arrays = tiny_mnist
    data.prepare("mnist", root)
    monkeypatch.setattr("torchvision.datasets.MNIST.__init__", lambda *_, **__: pytest.fail("decoded again"))
    test = data.load("mnist", "test", root)
    assert np.array_equal(test.pixels[:, 0].numpy(), arrays["t10k"])
    path = root / "mnist" / "test_images.npy"
    assert prepare.beside(path)["sha256"] == prepare.sha256(path) and prepare.beside(path)["fingerprint"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"test_images\.npy is not the file that was prepared .its checksum differs"):
        data.load("mnist", "test", root)


@pytest.mark.parametrize("why", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_torchvisions_files_in_a_folder_that_cannot_be_written_are_read_all_the_same(tiny_mnist, monkeypatch, why):
    root, arrays = tiny_mnist

    def refused(*_, **__):
        raise OSError(why, "no")

    monkeypatch.setattr(Path, "mkdir", refused)
    for split, name in (("train", "train"), ("test", "t10k")):
        assert np.array_equal(data.load("mnist", split, root).pixels[:, 0].numpy(), arrays[name])
    assert [path.name for path in root.iterdir()] == ["MNIST"]


@pytest.mark.parametrize(
    ("dataset", "size", "said"),
    [
        ("lfw", (50, 50), "LFW has no images of 50 x 50; allowed sizes: 218 x 178, 156 x 128"),
        ("mnist", (32, 32), "MNIST has no images of 32 x 32; allowed sizes: 28 x 28"),
        ("digits", (28, 28), r"digits \(8 x 8\) has no images of 28 x 28; allowed sizes: 8 x 8"),
    ],
)
def test_a_size_that_nothing_is_trained_at_is_refused_before_anything_is_prepared(tmp_path, dataset, size, said):
    for name, shape in (("lfw", (2, 3, 218, 178)), ("mnist", (2, 1, 28, 28))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "test_images.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=said):
        data.load(dataset, "test", tmp_path, size=size)
    assert not list(tmp_path.glob("lfw/50x50"))


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 1, 28, 28), np.float32), np.zeros((3, 28, 28), np.uint8), np.zeros((0, 1, 28, 28), np.uint8)],
    ids=["float", "no channel", "empty"],
)
def test_a_prepared_array_of_the_wrong_kind_is_refused(tmp_path, array):
    (tmp_path / "mnist").mkdir()
    np.save(tmp_path / "mnist" / "train_images.npy", array)
    with pytest.raises(DataError, match=r"train_images\.npy holds .* should be uint8 .*; delete it"):
        data.load("mnist", "train", tmp_path)


def test_a_truncated_prepared_array_is_refused(tmp_path):
    (tmp_path / "mnist").mkdir()
    path = tmp_path / "mnist" / "train_images.npy"
    np.save(path, np.zeros((30, 1, 28, 28), np.uint8))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="is not a readable .npy file"):
        data.load("mnist", "train", tmp_path)


def test_a_truncated_mnist_file_is_refused(tiny_mnist, no_network):
    root, _ = tiny_mnist
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"delete them and try again"):
        data.load("mnist", "train", root)


def test_unknown_names_are_refused():
    with pytest.raises(DataError, match="data sets: digits, mnist, cifar10, celeba, lfw, images; splits: train, test"):
        data.load("digits", "valid")


def test_images_must_be_uint8_and_four_dimensional():
    with pytest.raises(DataError, match="must be uint8"):
        Images(torch.zeros(2, 1, 8, 8))
    with pytest.raises(DataError, match="N > 0"):
        Images(torch.zeros(0, 1, 8, 8, dtype=torch.uint8))


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide():
    batches = data.shuffled(103, 10, seed=1, epoch=4)
    seen = torch.cat(batches).tolist()
    assert [len(batch) for batch in batches] == [10] * 10
    assert len(set(seen)) == 100 and set(seen) <= set(range(103))
    assert torch.cat(data.shuffled(103, 10, seed=1, epoch=4)).tolist() == seen
    assert torch.cat(data.shuffled(103, 10, seed=1, epoch=5)).tolist() != seen
    assert torch.cat(data.shuffled(103, 10, seed=2, epoch=4)).tolist() != seen
    whole = torch.cat(data.shuffled(103, 10, seed=1, epoch=4, drop_last=False)).tolist()
    assert sorted(whole) == list(range(103))


def test_fewer_images_than_a_batch_is_an_error():
    with pytest.raises(DataError, match="5 images make no batch of 10"):
        data.shuffled(5, 10, seed=0, epoch=1)


def test_batches_cover_every_image_once():
    images = Images(torch.arange(7, dtype=torch.uint8).reshape(7, 1, 1, 1), max_value=1)
    assert torch.cat(list(images.batches(3))).flatten().tolist() == list(range(7))
