import hashlib
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError

Load = Callable[..., Dataset]
SMALL = {"validation": 100, "checksum": None}
KINDS = {"cifar10": (CIFAR10, "labels", 10), "cifar100": (CIFAR100, "fine_labels", 100)}


def publish(name: str, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a small dataset in torchvision's layout: its own code downloads, verifies and reads it."""
    kind, key, classes = KINDS[name]
    rng = np.random.default_rng(0)
    batches = folder / kind.base_folder
    batches.mkdir(parents=True)

    def write(file: str, content: dict[str, Any]) -> str:
        (batches / file).write_bytes(pickle.dumps(content, protocol=2))
        return hashlib.md5((batches / file).read_bytes()).hexdigest()

    def batch() -> dict[str, Any]:
        return {"data": rng.integers(0, 256, (200, 3072), dtype=np.uint8), key: [n % classes for n in range(200)]}

    for listing in ("train_list", "test_list"):
        monkeypatch.setattr(kind, listing, [[file, write(file, batch())] for file, _ in getattr(kind, listing)])
    words = {kind.meta["key"]: [f"class {number}" for number in range(classes)]}
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": write(kind.meta["filename"], words)})
    archive = folder / kind.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(batches, kind.base_folder)
    monkeypatch.setattr(kind, "url", f"{url}{archive.name}")
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())


@pytest.fixture(params=KINDS)
def name(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> str:
    folder = tmp_path / "published"
    publish(request.param, folder, serve(folder), monkeypatch)
    return str(request.param)


def test_a_download_goes_to_the_root_and_is_read_from_there(name: str, load: Load, tmp_path: Path) -> None:
    kind, _, classes = KINDS[name]
    dataset = load(name, download=True, **SMALL)
    train = 200 * len(kind.train_list)
    assert (dataset.shape, dataset.classes, dataset.sizes) == ((3, 32, 32), classes, (train - 100, 100, 200))
    assert dataset.train.labels.dtype == torch.int64
    assert load(name, **SMALL).checksum == dataset.checksum  # without a download, from disk
    first = kind(tmp_path, train=False).data[0]  # torchvision keeps (H, W, C)
    reference = torch.from_numpy(first).permute(2, 0, 1)[1].flatten().double()
    ours = dataset.test.images[0, 1].flatten().double()
    assert torch.corrcoef(torch.stack([reference, ours]))[0, 1].item() == pytest.approx(1, abs=1e-9)


def test_a_missing_dataset_says_how_to_get_it_and_writes_nothing(name: str, load: Load, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{name}: .* is missing; add download=true$"):
        load(name)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.parametrize("place", ["train_list", "test_list", "meta"])
def test_a_corrupt_file_is_named_with_both_sums(place: str, name: str, load: Load, tmp_path: Path) -> None:
    kind = KINDS[name][0]
    load(name, download=True, **SMALL)
    meta = (kind.meta["filename"], kind.meta["md5"])
    file, expected = meta if place == "meta" else getattr(kind, place)[-1]
    path = tmp_path / kind.base_folder / file
    path.write_bytes(path.read_bytes()[:-1])
    actual = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=rf"{file} is corrupt: md5 {actual}, expected {expected}; add download=true"):
        load(name, **SMALL)


def test_a_download_mends_a_corrupt_file(name: str, load: Load, tmp_path: Path) -> None:
    kind = KINDS[name][0]
    whole = load(name, download=True, **SMALL).checksum
    (tmp_path / kind.base_folder / kind.test_list[0][0]).write_bytes(b"half a file")
    assert load(name, download=True, **SMALL).checksum == whole


def test_a_failed_download_says_what_else_can_be_done(name: str, load: Load, tmp_path: Path) -> None:
    archive = KINDS[name][0].filename
    (tmp_path / "published" / archive).write_bytes(b"something else")
    with pytest.raises(UserError, match=rf"is missing \(the download failed: .*\); unpack {archive} into .* by hand"):
        load(name, download=True, **SMALL)
