import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torchvision.datasets import ImageFolder

from bench.parts.dataset.tensors import Dataset
from bench.registry import build, find
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


@pytest.mark.parametrize("name", ["8.JPG", "8.webp", "8.bmp", "8.tif", "8.gif", "8.ppm", "8.jp2", "8"])
def test_every_format_of_pillow_counts_whatever_its_suffix(load: Load, pets: Path, name: str) -> None:
    image = pets / "train" / "cat" / name
    paint(image if image.suffix else image.with_suffix(".png"), seed=8)
    if not image.suffix:
        image.with_suffix(".png").rename(image)
    assert load("image_folder", **CHOICES).sizes == (13, 4, 4)


def test_what_is_left_out_is_counted_in_one_remark(load: Load, pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cats = pets / "train" / "cat"
    (cats / "notes.txt").write_text("not an image")
    (cats / "._8.png").write_text("not an image either")
    (cats / "figure.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 6\n%%EndComments\n")
    paint(cats / "more" / "8.png", seed=8)
    os.mkfifo(cats / "pipe.png")
    (pets / "train" / ".hidden").mkdir()
    (pets / "train" / "index.csv").write_text("")
    Image.new("RGB", (6, 5)).save(cats / "a.gif", save_all=True, append_images=[Image.new("RGB", (6, 5), "red")])
    assert load("image_folder", **CHOICES).sizes == (13, 4, 4)
    (remark,) = capsys.readouterr().err.splitlines()
    assert remark.startswith("pets: 21 images are read; left out: ")
    assert {*remark.partition("left out: ")[2].split(", ")} == {
        "2 hidden",
        "1 beside the folders of classes",
        *("2 in a folder of a class", "but no files"),
        "1 files that are no images",
        "1 drawings without pixels",
        "1 frames after the first",
    }
    assert load("image_folder", **CHOICES).sizes == (13, 4, 4)
    assert not capsys.readouterr().err  # the tensors are kept, no file is opened


def pixels(pets: Path, image: "Image.Image | Raw", name: str = "0.png", **options: Any) -> Any:
    """The first image as it is read, (H, W, C), before it is normalised."""
    shutil.rmtree(pets)
    for part, animal in ((part, animal) for part in ("train", "test") for animal in ("cat", "dog")):
        (pets / part / animal).mkdir(parents=True)
        image.save(pets / part / animal / name, **options)
    read: Any = find("dataset", "image_folder")
    raw = read.__wrapped__(pets.parent, False, folder="pets", size=None, channels=3)
    return raw.train.images[0].permute(1, 2, 0).numpy()


class Raw(NamedTuple):
    """The bytes of a file in the place of an image."""

    content: bytes

    def save(self, path: Path) -> None:
        path.write_bytes(self.content)


def test_sixteen_bits_are_scaled_to_eight(pets: Path) -> None:
    grey = np.array([[0, 128, 257, 32896, 65535]], dtype=np.uint16)
    for name in ("0.png", "0.tif"):
        assert pixels(pets, Image.fromarray(grey), name)[..., 0].tolist() == [[0, 0, 1, 128, 255]]
    assert pixels(pets, Image.fromarray(grey.astype(np.int32)), "0.pgm")[..., 0].tolist() == [[0, 0, 1, 128, 255]]


def test_an_image_is_turned_as_its_camera_was(pets: Path) -> None:
    wide = Image.new("RGB", (6, 5), "black")
    wide.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is on the right
    turned = pixels(pets, wide, exif=exif)
    assert turned.shape == (6, 5, 3)
    assert turned[0, 4].tolist() == [255, 255, 255]
    assert turned.sum() == 3 * 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white_whatever_colour_they_hide(pets: Path, mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (200, 200, 200, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    read = pixels(pets, image.convert(mode))
    assert read[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "0.jpg"), ("1", "0.png"), ("YCbCr", "0.jpg"), ("P", "0.gif")])
def test_other_modes_become_colours(pets: Path, mode: str, name: str) -> None:
    read = pixels(pets, Image.new("RGB", (8, 8), "white").convert(mode), name)
    assert (read >= 254).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_which_none_is_known_to_be_white_are_refused(pets: Path, mode: str) -> None:
    with pytest.raises(UserError, match=r"0.tif cannot be read as an image \(of its numbers none is known to be white"):
        pixels(pets, Image.new(mode, (5, 6)), "0.tif")


def tiff(bits: int, photometric: int, row: list[int]) -> bytes:
    """A grey TIFF of one row, uncompressed and little-endian, which Pillow itself does not write (TIFF 6.0)."""
    packed = "".join(f"{value:0{bits}b}" for value in row)
    data = int(packed, 2).to_bytes(len(packed) // 8, "big") if bits % 8 else struct.pack(f"<{len(row)}H", *row)
    tags = {256: len(row), 257: 1, 258: bits, 259: 1, 262: photometric, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (tags | {279: len(data)}).items())
    return b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4) + data


@pytest.mark.parametrize(
    ("bits", "photometric", "row", "grey"),
    [
        (16, 1, [0, 32896, 65535, 257], [0, 128, 255, 1]),
        (16, 0, [0, 32896, 65535, 257], [255, 127, 0, 254]),
        (12, 1, [0, 2056, 4095, 16], [0, 128, 255, 1]),
    ],
    ids=["16 bits", "16 bits, white is 0", "12 bits"],
)
def test_a_grey_tiff_is_scaled_by_its_bits_and_turned_where_its_white_is_0(
    pets: Path, bits: int, photometric: int, row: list[int], grey: list[int]
) -> None:
    assert pixels(pets, Raw(tiff(bits, photometric, row)), "0.tif")[0, :, 0].tolist() == grey


def test_a_tiff_that_pillow_does_not_know_is_named(pets: Path) -> None:
    with pytest.raises(UserError, match=r"0.tif cannot be read as an image \(Pillow finds none in it\); mend or"):
        pixels(pets, Raw(tiff(12, 0, [0, 4095])), "0.tif")


def test_numbers_below_zero_have_no_white(pets: Path) -> None:
    cards = ["SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    2"]
    cards += ["NAXIS1  =                    4", "NAXIS2  =                    1", "END"]
    header = "".join(f"{card:80}" for card in cards).ljust(2880).encode()
    with pytest.raises(UserError, match="of its numbers none is known to be white"):
        pixels(pets, Raw(header + struct.pack(">4h", 0, 100, 32767, -1).ljust(2880, b"\0")), "0.fits")


def test_what_pillow_knows_by_name_alone_is_no_image_and_layers_are_no_frames(
    load: Load, pets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = pets / "train" / "cat"
    (home / "8.mpg").write_bytes(b"\0\0\1\xb3\x01\0\x10\x13" + b"\xff" * 20)
    (home / "8.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    flat = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 5, 6, 8, 3) + bytes(12) + bytes(2) + bytes(90)
    (home / "8.psd").write_bytes(flat)
    assert load("image_folder", **CHOICES).sizes == (13, 4, 4)
    assert capsys.readouterr().err == "pets: 21 images are read; left out: 2 files that are no images\n"


def test_a_size_of_which_an_image_fills_the_memory_is_refused(runs_of: Any, pets: Path, machine: Any) -> None:
    (run,) = runs_of("dataset=image_folder", "dataset.folder=pets", "dataset.size=100000")
    with pytest.raises(UserError, match="takes a whole number from 1 to 4096"):
        build(run, "dataset")


@pytest.mark.parametrize("target", ["nothing.png", "8.png"])
def test_a_link_to_nothing_or_itself_is_named(load: Load, pets: Path, target: str) -> None:
    (pets / "train" / "cat" / "8.png").symlink_to(target)
    with pytest.raises(UserError, match=r"cat.8.png is a link to nothing or to itself"):
        load("image_folder", **CHOICES)


def test_a_link_to_the_folder_above_is_not_followed(load: Load, pets: Path) -> None:
    (pets / "train" / "cat" / "all").symlink_to(pets / "train")
    assert load("image_folder", **CHOICES).sizes == (12, 4, 4)


def test_a_name_in_another_encoding_is_read(load: Load, pets: Path) -> None:
    os.rename(pets / "train" / "cat" / "0.png", os.fsencode(pets / "train" / "cat") + b"/caf\xe9.png")
    assert load("image_folder", **CHOICES).sizes == (12, 4, 4)


def test_a_folder_that_may_not_be_read_is_named(load: Load, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match=r"pets cannot be read: .*Permission denied"):
        load("image_folder", **CHOICES)


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


def test_a_class_without_an_image_among_its_files_is_named(load: Load, pets: Path) -> None:
    for image in (pets / "test" / "dog").iterdir():
        image.with_suffix(".txt").write_text("")
        image.unlink()
    with pytest.raises(UserError, match=r"no images in .*test.dog; none of its 2 files"):
        load("image_folder", **CHOICES)


def test_more_pixels_than_pillow_trusts_are_refused(load: Load, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for most in (20, 10):  # of 30: Pillow warns, or raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(UserError, match=r"0.png cannot be read as an image .*decompression bomb"):
            load("image_folder", **CHOICES)


def test_a_text_that_unpacks_to_more_than_pillow_trusts_is_refused(load: Load, pets: Path) -> None:
    text = PngInfo()
    text.add_text("note", "a" * 2**21, zip=True)
    Image.new("RGB", (6, 5)).save(pets / "train" / "dog" / "5.png", pnginfo=text)
    with pytest.raises(UserError, match=r"dog.5.png cannot be read as an image .*too large"):
        load("image_folder", **CHOICES)


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_a_broken_image_is_named(content: bytes | str, load: Load, pets: Path) -> None:
    image = pets / "train" / "dog" / "5.png"
    image.write_bytes(content if isinstance(content, bytes) else image.read_bytes()[:60])
    with pytest.raises(UserError, match=r"dog.5.png cannot be read as an image .*mend or delete it"):
        load("image_folder", **CHOICES)
