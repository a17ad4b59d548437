import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.datasets import FashionMNIST

from bench.parts.dataset import fashion_mnist as module
from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError

Load = Callable[..., Dataset]
SMALL = {"validation": 10, "checksum": None}


def idx(values: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


def contents() -> dict[str, bytes]:
    """The four files, small: 50 images to train on, 20 to test on."""
    rng = np.random.default_rng(0)
    files = {}
    for part, count in (("train", 50), ("t10k", 20)):
        files[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8) % 10)
    return files


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package's folder, so that the real one is not met."""
    folder = tmp_path / "debian"
    folder.mkdir()
    monkeypatch.setattr(module, "DEBIAN", folder)
    return folder


def raw_folder(root: Path) -> Path:
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    return folder


def test_unpacked_files_under_the_root_are_read(load: Load, debian: Path, tmp_path: Path) -> None:
    folder = raw_folder(tmp_path)
    for name, content in contents().items():
        (folder / name).write_bytes(content)
    dataset = load("fashion_mnist", **SMALL)
    assert (dataset.shape, dataset.classes, dataset.sizes) == ((1, 28, 28), 10, (40, 10, 20))
    assert dataset.test.labels.tolist() == [*range(10)] * 2
    assert dataset.train.labels.dtype == torch.int64
    reference = FashionMNIST(tmp_path, train=False).data.flatten().double()  # torchvision reads the same pixels
    ours = dataset.test.images.flatten().double()
    assert torch.corrcoef(torch.stack([reference, ours]))[0, 1].item() == pytest.approx(1, abs=1e-9)


def test_the_files_of_debian_are_read_in_place_and_nothing_is_written(load: Load, debian: Path, tmp_path: Path) -> None:
    for name, content in contents().items():
        (debian / f"{name}.gz").write_bytes(gzip.compress(content))
    packed = load("fashion_mnist", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["debian"]
    folder = raw_folder(tmp_path)
    for name, content in contents().items():
        (folder / name).write_bytes(content)
    assert load("fashion_mnist", **SMALL).checksum == packed.checksum


def test_missing_files_name_both_ways_to_get_them(load: Load, debian: Path) -> None:
    with pytest.raises(UserError, match="download=true, or apt-get install dataset-fashion-mnist"):
        load("fashion_mnist")


@pytest.mark.parametrize("name", contents())
def test_one_missing_file_is_as_good_as_none(name: str, load: Load, debian: Path) -> None:
    for other, content in contents().items():
        (debian / f"{other}.gz").write_bytes(gzip.compress(content))
    (debian / f"{name}.gz").unlink()
    with pytest.raises(UserError, match="is neither in"):
        load("fashion_mnist", **SMALL)


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08", contents()["train-images-idx3-ubyte"][:-1]])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_named(damage: bytes, suffix: str, load: Load, debian: Path) -> None:
    for name, content in contents().items():
        (debian / name).write_bytes(content)
    victim = debian / f"train-images-idx3-ubyte{suffix}"
    if suffix:
        (debian / "train-images-idx3-ubyte").unlink()
        damage = gzip.compress(damage)[:-9]
    victim.write_bytes(damage)
    with pytest.raises(UserError, match=rf"{victim.name} is corrupt .*delete it and get it again"):
        load("fashion_mnist", **SMALL)


def test_a_damaged_byte_within_a_packed_file_is_reported_too(load: Load, debian: Path) -> None:
    for name, content in contents().items():
        (debian / f"{name}.gz").write_bytes(gzip.compress(content))
    victim = debian / "t10k-labels-idx1-ubyte.gz"
    packed = bytearray(victim.read_bytes())
    packed[10] |= 0b110  # after a header of ten bytes, these bits of the first block name a type that does not exist
    victim.write_bytes(packed)
    with pytest.raises(UserError, match=rf"{victim.name} is corrupt .*invalid block type"):
        load("fashion_mnist", **SMALL)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]) -> Path:
    """The small files, published where torchvision's own code downloads them from."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name, content in contents().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        resources.append((f"{name}.gz", hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest()))
    monkeypatch.setattr(FashionMNIST, "mirrors", [serve(folder)])
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    return folder


def test_a_download_goes_to_the_root_and_is_read_from_there(
    load: Load, debian: Path, mirror: Path, tmp_path: Path
) -> None:
    downloaded = load("fashion_mnist", download=True, **SMALL)
    assert (tmp_path / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").is_file()
    assert load("fashion_mnist", **SMALL).checksum == downloaded.checksum


def test_a_failed_download_says_what_else_can_be_done(load: Load, debian: Path, mirror: Path) -> None:
    for path in mirror.iterdir():
        path.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"the download failed .*apt-get install dataset-fashion-mnist"):
        load("fashion_mnist", download=True, **SMALL)


@pytest.mark.skipif(not module.DEBIAN.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_package_of_debian_is_the_dataset_that_conf_expects(load: Load) -> None:
    dataset = load("fashion_mnist", subset=100)
    assert dataset.sizes == (100, 5000, 10000)
    assert dataset.validation.labels.bincount().tolist() == [500] * 10
