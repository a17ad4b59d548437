"""Any folder of images, one folder per class, read once and cached as one file of tensors.

In: the data folder, the name of a folder. Out: raw data. Touches: the data folder, where the tensors are cached.
"""

import hashlib
import os
import sys
import uuid
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from bench.bounds import Bound
from bench.parts.dataset.tensors import Raw, Split, checksum_of, reader
from bench.schema import UserError

MODES = {1: "L", 3: "RGB"}  # number of channels -> Pillow's name
READING = 3  # raise it when the same files are read otherwise: what is cached is then read again
WHITE_IS_ZERO = 0  # of TIFF
DRAWINGS = ("EPS", "WMF")  # formats that Pillow hands to other programs
SIXTEEN = ("TIFF", "PNG", "PPM", "JPEG2000", "IM")  # formats of 16 bits in which the largest number is white
Side = Annotated[int, Bound(least=1, most=4096)]  # of an image that is resized: 50 MB

Classes = dict[Path, list[Path]]  # the files in the folder of each class, both in alphabetical order
Left = Counter[str]  # what is not read, by its kind in words


@reader
def image_folder(root: Path, download: bool, *, folder: str, size: Side | None, channels: Literal[1, 3]) -> Raw:
    """The images train/CLASS/* and test/CLASS/* of a folder below the root, or of a full path.

    Every format that Pillow reads counts, whatever the suffix; other files are left out with a remark. An image is
    turned as its EXIF data say, laid on white where it is transparent, and scaled to 8 bits; of several frames
    the first is taken. An int `size` resizes all to size x size (bilinear, antialiased). Raises UserError when the
    folder is not laid out like that, the classes of train and test differ, an image cannot be read or, with size=null,
    the sizes differ.
    """
    left: Left = Counter()
    try:
        parts = [_classes(root / folder / part, left) for part in ("train", "test")]
        fingerprint = _fingerprint(root / folder, parts)
    except OSError as refused:
        raise UserError(f"{folder} cannot be read: {refused}") from refused
    names = [{path.name for path in part} for part in parts]
    if missing := names[0] ^ names[1]:
        raise UserError(f"{folder}: train and test must hold the same classes; only one of them has {min(missing)}")
    key = hashlib.sha256(os.fsencode(f"{folder} {size} {channels}")).hexdigest()[:8]
    train, test = _cached(
        root / f"{Path(folder).name}-{key}.pt", fingerprint, lambda: _read(folder, parts, size, channels, left)
    )
    return Raw(folder, train, test, classes=len(parts[0]))


def _classes(part: Path, left: Left) -> Classes:
    if not part.is_dir():
        raise UserError(f"no folder {part}; put the images into {part.parent}/train/CLASS and {part.parent}/test/CLASS")
    inside = _visible(part, left)
    found = {path: _visible(path, left) for path in inside if path.is_dir()}
    left["beside the folders of classes"] += len(inside) - len(found)
    for path, files in found.items() or [(part / "CLASS", [])]:
        left["in a folder of a class, but no files"] += sum(not file.is_file() for file in files)
        if not any(file.is_file() for file in files):
            raise UserError(f"no images in {path}; put some there (folders in it are not read), or delete it")
    return {path: [*filter(Path.is_file, files)] for path, files in found.items()}


def _visible(folder: Path, left: Left) -> list[Path]:
    """What is in a folder, sorted, without what is hidden, as the ._NAME.png that macOS leaves beside NAME.png."""
    everything = sorted(folder.iterdir())
    visible = [path for path in everything if not path.name.startswith(".")]
    left["hidden"] += len(everything) - len(visible)
    if broken := [path for path in visible if path.is_symlink() and not path.exists()]:
        raise UserError(f"{broken[0]} is a link to nothing or to itself; mend or delete it")
    return visible


def _fingerprint(home: Path, parts: list[Classes]) -> str:
    """sha256 over name, size and time of change of every file: whether a folder changed, without opening a file."""
    digest = hashlib.sha256(f"{READING}\n".encode())
    for path in (path for part in parts for files in part.values() for path in files):
        status = path.stat()
        digest.update(os.fsencode(f"{path.relative_to(home)}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    return digest.hexdigest()


def _cached(path: Path, fingerprint: str, read: Callable[[], tuple[Split, Split]]) -> tuple[Split, Split]:
    """The tensors in the file if they are whole and of this fingerprint, else read and stored there."""
    with suppress(Exception):  # absent, cut short, of another version: the images are read again
        stored = torch.load(path, weights_only=True)
        train, test = Split(*stored["train"]), Split(*stored["test"])
        if (stored["fingerprint"], stored["checksum"]) == (fingerprint, checksum_of(train, test)):
            return train, test
    train, test = read()
    content = {"fingerprint": fingerprint, "checksum": checksum_of(train, test), "train": [*train], "test": [*test]}
    _store(path, content)
    return train, test


def _store(path: Path, content: object) -> None:
    """Write a file whole or not at all; where the folder cannot be written, the next run reads the images again."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with suppress(OSError, RuntimeError):
        torch.save(content, temporary)
        os.replace(temporary, path)
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _read(folder: str, parts: list[Classes], size: int | None, channels: int, left: Left) -> tuple[Split, Split]:
    """The images and labels of both parts; a remark on standard error counts what is left out."""
    images: list[NDArray[np.uint8]] = []
    labels: list[list[int]] = [[], []]
    first = ""
    for part, of_part in zip(parts, labels, strict=True):
        for label, (home, files) in enumerate(part.items()):
            for path in files:
                pixels = _pixels(path, size, channels, left)
                if pixels is None:
                    continue
                if images and pixels.shape != images[0].shape:
                    found, expected = (f"{one.shape[1]}x{one.shape[0]}" for one in (pixels, images[0]))
                    raise UserError(
                        f"{folder}: {path} is {found}, but {first} is {expected}; set dataset.size to resize all images"
                    )
                first = first or str(path)
                images.append(pixels)
                of_part.append(label)
            if label not in of_part:
                raise UserError(f"no images in {home}; none of its {len(files)} files is one that Pillow reads")
    if remarks := [f"{count} {kind}" for kind, count in left.items() if count]:
        print(f"{folder}: {len(images)} images are read; left out: {', '.join(remarks)}", file=sys.stderr)
    tensors = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    train, test = map(Split, torch.split(tensors, [*map(len, labels)]), map(torch.tensor, labels))
    return train, test


def _pixels(path: Path, size: int | None, channels: int, left: Left) -> NDArray[np.uint8] | None:
    """One image, (H, W, C); None for a file that is no image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of EXIF data that are cut short, and the like
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if file.format in DRAWINGS:
                    left["drawings without pixels"] += 1
                    return None
                if file.format == "MPEG" or isinstance(file, ImageFile.StubImageFile):  # known by name alone
                    left["files that are no images"] += 1
                    return None
                if file.format != "PSD":  # whose layers are parts of its image
                    left["frames after the first"] += getattr(file, "n_frames", 1) - 1
                image = _eight_bits(ImageOps.exif_transpose(file), file).convert(MODES[channels])
    except MemoryError:
        raise
    except UnidentifiedImageError as cause:
        if Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN:
            raise UserError(
                f"{path} cannot be read as an image (Pillow finds none in it); mend or delete it"
            ) from cause
        left["files that are no images"] += 1
        return None
    except Exception as cause:  # Pillow raises errors of many kinds for broken files
        raise UserError(f"{path} cannot be read as an image ({cause}); mend or delete it") from cause
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image.height, image.width, channels)


def _eight_bits(image: Image.Image, file: Image.Image) -> Image.Image:
    """The image of a file with 8 bits per channel, on white.

    Raises ValueError for numbers of which none is known to be white.
    """
    if file.format in SIXTEEN and (image.mode.startswith("I;16") or (image.mode == "I" and file.format != "TIFF")):
        tags = getattr(file, "tag_v2", {})  # of TIFF, of which Pillow turns no 16 bits and scales no 12
        white = 2 ** tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0] - 1
        values = np.asarray(image).astype(np.uint32)
        values[values == image.info.get("transparency")] = white
        if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO:
            values = white - values
        return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))
    if image.mode.startswith(("I", "F")):
        raise ValueError("of its numbers none is known to be white; save it with 8 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image
