"""Any folder of images, one folder per class, read once and cached as one file of tensors.

In: the data folder, the name of a folder. Out: raw data. Touches: the data folder, where the tensors are cached.
"""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.parts.dataset.tensors import Raw, Split, checksum_of, reader
from bench.schema import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
MODES = {1: "L", 3: "RGB"}  # number of channels -> Pillow's name

Classes = dict[str, list[Path]]  # the images of each class, both in alphabetical order


@reader
def image_folder(root: Path, download: bool, *, folder: str, size: int | None, channels: int) -> Raw:
    """The images train/CLASS/*.{png,jpg,jpeg} and test/CLASS/... of a folder below the root, or of a full path.

    An int `size` resizes all to size x size (bilinear, antialiased). Raises UserError when the folder is not laid out
    like that, the classes of train and test differ, an image cannot be read or, with size=null, the sizes differ.
    """
    if channels not in MODES:
        raise UserError(f"{folder}: dataset.channels={channels} is not possible; choose {' or '.join(map(str, MODES))}")
    parts = [_classes(root / folder / part) for part in ("train", "test")]
    if missing := parts[0].keys() ^ parts[1].keys():
        raise UserError(f"{folder}: train and test must hold the same classes; only one of them has {min(missing)}")
    key = hashlib.sha256(f"{folder} {size} {channels}".encode()).hexdigest()[:8]
    train, test = _cached(
        root / f"{Path(folder).name}-{key}.pt",
        _fingerprint(root / folder, parts),
        lambda: _read(folder, parts, size, channels),
    )
    return Raw(folder, train, test, classes=len(parts[0]))


def _classes(part: Path) -> Classes:
    if not part.is_dir():
        raise UserError(f"no folder {part}; put the images into {part.parent}/train/CLASS and {part.parent}/test/CLASS")
    folders = sorted(path for path in part.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = {path.name: sorted(filter(_is_image, path.iterdir())) for path in folders}
    for name, images in found.items() or [("CLASS", [])]:
        if not images:
            raise UserError(f"no images in {part / name}; put some there ({', '.join(SUFFIXES)})")
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")  # macOS leaves ._NAME.png beside NAME.png


def _images(parts: Iterable[Classes]) -> list[Path]:
    return [path for part in parts for images in part.values() for path in images]


def _fingerprint(home: Path, parts: list[Classes]) -> str:
    """sha256 over name, size and time of change of every image: whether a folder changed, without opening a file."""
    digest = hashlib.sha256()
    for path in _images(parts):
        status = path.stat()
        digest.update(f"{path.relative_to(home)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
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


def _read(folder: str, parts: list[Classes], size: int | None, channels: int) -> tuple[Split, Split]:
    images: list[NDArray[np.uint8]] = []
    paths = _images(parts)
    for path in paths:
        images.append(_pixels(path, size, channels))
        (height, width, _), (first_height, first_width, _) = images[-1].shape, images[0].shape
        if (height, width) != (first_height, first_width):
            raise UserError(
                f"{folder}: {path} is {width}x{height}, but {paths[0]} is {first_width}x{first_height}; "
                "set dataset.size to resize all images"
            )
    tensors = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    labels = [_labels(part) for part in parts]
    train, test = map(Split, torch.split(tensors, [len(part) for part in labels]), labels)
    return train, test


def _labels(part: Classes) -> Tensor:
    return torch.arange(len(part)).repeat_interleave(torch.tensor([len(paths) for paths in part.values()]))


def _pixels(path: Path, size: int | None, channels: int) -> NDArray[np.uint8]:
    """One image, (H, W, C)."""
    try:
        with Image.open(path) as file:
            image = file.convert(MODES[channels])
    except (OSError, SyntaxError) as cause:  # Pillow raises SyntaxError for some broken headers
        raise UserError(f"{path} cannot be read as an image ({cause}); mend or delete it") from cause
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image.height, image.width, channels)
