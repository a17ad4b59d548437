import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError

Load = Callable[..., Dataset]
CHOICES: dict[str, Any] = {"folder": "pets", "validation": 4}


def paint(path: Path, seed: int, size: tuple[int, int] = (6, 5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, eight images each to train on, two to test on."""
    for label, animal in enumerate(("cat", "dog")):
        for number in range(8):
            paint(tmp_path / "pets" / "train" / animal / f"{number}.png", seed=100 * label + number)
        for number in range(2):
            paint(tmp_path / "pets" / "test" / animal / f"{number}.png", seed=1000 + 100 * label + number)
    return tmp_path / "pets"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that were opened so far."""
    paths: list[Path] = []
    read = Image.open

    def counted(path: Path) -> Any:
        paths.append(path)
        return read(path)

    monkeypatch.setattr(Image, "open", counted)
    return paths


def kept(pets: Path) -> Path:
    (file,) = pets.parent.glob("*.pt")
    return file


def test_a_folder_is_read_with_one_label_per_class(load: Load, pets: Path) -> None:
    dataset = load("image_folder", **CHOICES)
    assert (dataset.shape, dataset.classes, dataset.sizes) == ((3, 5, 6), 2, (12, 4, 4))
    assert dataset.test.labels.tolist() == [0, 0, 1, 1]
    assert (dataset.train.images.dtype, dataset.train.labels.dtype) == (torch.float32, torch.int64)
    for ours, (image, _) in zip(dataset.test.images, ImageFolder(pets / "test"), strict=True):
        reference = torch.from_numpy(np.array(image)).permute(2, 0, 1).flatten(1).double()
        for pair in zip(ours.flatten(1).double(), reference, strict=True):  # per channel, normalisation is linear
            assert torch.corrcoef(torch.stack(pair))[0, 1].item() == pytest.approx(1, abs=1e-6)


def test_a_full_path_works_and_is_kept_under_the_root_alone(load: Load, pets: Path, tmp_path_factory: Any) -> None:
    inside = load("image_folder", **CHOICES).checksum
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "pets"
    shutil.copytree(pets, elsewhere)
    assert load("image_folder", **CHOICES | {"folder": str(elsewhere)}).checksum == inside
    assert not list(elsewhere.parent.rglob("*.pt"))
    assert len(list(pets.parent.glob("*.pt"))) == 2


def test_grey_images_have_one_channel(load: Load, pets: Path) -> None:
    assert load("image_folder", channels=1, **CHOICES).shape == (1, 5, 6)


def test_another_number_of_channels_is_refused(load: Load, pets: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.channels=2 .* choose 1 or 3"):
        load("image_folder", channels=2, **CHOICES)


def test_jpeg_in_capitals_counts_and_other_files_do_not(load: Load, pets: Path) -> None:
    paint(pets / "train" / "cat" / "8.JPG", seed=8)
    (pets / "train" / "cat" / "notes.txt").write_text("not an image")
    (pets / "train" / "cat" / "._8.png").write_text("not an image either")
    (pets / "train" / ".hidden").mkdir()
    assert load("image_folder", **CHOICES).sizes == (13, 4, 4)


def test_mixed_sizes_are_refused_by_the_first_that_differs_and_can_be_resized(load: Load, pets: Path) -> None:
    paint(pets / "train" / "dog" / "3.png", seed=3, size=(9, 7))
    paint(pets / "test" / "dog" / "1.png", seed=1, size=(4, 4))
    with pytest.raises(UserError, match=r"dog.3.png is 9x7, but .*cat.0.png is 6x5; set dataset.size"):
        load("image_folder", **CHOICES)
    assert load("image_folder", size=4, **CHOICES).shape == (3, 4, 4)


def test_the_second_read_opens_no_image_and_gives_the_same_dataset(load: Load, pets: Path, opened: list[Path]) -> None:
    first = load("image_folder", **CHOICES)
    assert len(opened) == 20
    second = load("image_folder", **CHOICES)
    assert len(opened) == 20
    assert second.checksum == first.checksum
    assert torch.equal(second.train.images, first.train.images)
    assert [path.name for path in pets.parent.iterdir() if path != pets] == [kept(pets).name]  # no half-written file


@pytest.mark.parametrize("change", ["add", "remove", "rename", "touch"])
def test_a_changed_folder_is_read_again(change: str, load: Load, pets: Path, opened: list[Path]) -> None:
    load("image_folder", **CHOICES)
    image = pets / "train" / "cat" / "7.png"
    if change == "add":
        paint(image.with_name("8.png"), seed=8)
    elif change == "remove":
        image.unlink()
    elif change == "rename":
        image.rename(image.with_name("9.png"))
    else:
        os.utime(image, ns=(0, 0))
    opened.clear()
    load("image_folder", **CHOICES)
    assert len(opened) == {"add": 21, "remove": 19}.get(change, 20)
    opened.clear()
    load("image_folder", **CHOICES)
    assert not opened


@pytest.mark.parametrize("damage", ["empty", "short", "half", "flipped", "foreign"])
def test_a_damaged_cache_is_built_again(damage: str, load: Load, pets: Path, opened: list[Path]) -> None:
    whole = load("image_folder", **CHOICES)
    content = kept(pets).read_bytes()
    pixel = Image.open(pets / "train" / "cat" / "0.png").convert("RGB")
    place = content.index(np.asarray(pixel)[:, :, 0].tobytes())  # the first image's red, as the tensor holds it
    flipped = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    pieces = {"empty": b"", "short": content[:100], "half": content[: len(content) // 2], "flipped": flipped}
    if damage == "foreign":
        torch.save({"something": "else"}, kept(pets))
    else:
        kept(pets).write_bytes(pieces[damage])
    opened.clear()
    again = load("image_folder", **CHOICES)
    assert len(opened) == 20
    assert again.checksum == whole.checksum
    opened.clear()
    load("image_folder", **CHOICES)
    assert not opened  # and the cache is whole again


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(
    load: Load, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    assert load("image_folder", **CHOICES).sizes == (12, 4, 4)
    assert list(pets.parent.iterdir()) == [pets]  # nothing half-written stays


def test_resized_and_grey_readings_are_kept_apart(load: Load, pets: Path) -> None:
    for changes in ({}, {"size": 4}, {"channels": 1}, {}):
        load("image_folder", **CHOICES | changes)
    assert len(list(pets.parent.glob("*.pt"))) == 3


def test_a_missing_folder_says_where_the_images_belong(load: Load) -> None:
    with pytest.raises(UserError, match=r"no folder .*pets.train; put the images into .*train/CLASS and .*test/CLASS"):
        load("image_folder", **CHOICES)


def test_a_class_that_only_one_part_has_is_named(load: Load, pets: Path) -> None:
    shutil.rmtree(pets / "test" / "dog")
    with pytest.raises(UserError, match="same classes; only one of them has dog"):
        load("image_folder", **CHOICES)


def test_an_empty_class_is_named(load: Load, pets: Path) -> None:
    (pets / "train" / "emu").mkdir()
    with pytest.raises(UserError, match=r"no images in .*emu"):
        load("image_folder", **CHOICES)


def test_a_part_without_classes_is_refused(load: Load, pets: Path) -> None:
    shutil.rmtree(pets / "train")
    (pets / "train").mkdir()
    with pytest.raises(UserError, match=r"no images in .*CLASS"):
        load("image_folder", **CHOICES)


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_a_broken_image_is_named(content: bytes | str, load: Load, pets: Path) -> None:
    image = pets / "train" / "dog" / "5.png"
    image.write_bytes(content if isinstance(content, bytes) else image.read_bytes()[:60])
    with pytest.raises(UserError, match=r"dog.5.png cannot be read as an image .*mend or delete it"):
        load("image_folder", **CHOICES)
