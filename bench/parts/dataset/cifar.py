"""CIFAR-10 and CIFAR-100, in torchvision's files.

In: the data folder. Out: raw data. Touches: the data folder, and the network if a download is allowed.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch

from bench.parts.dataset.tensors import Raw, Split, reader
from bench.schema import UserError


@reader
def cifar10(root: Path, download: bool) -> Raw:
    """50,000 + 10,000 images of 3x32x32. Raises UserError when a file is missing or has another md5 than published."""
    return _read("cifar10", root, download, classes=10)


@reader
def cifar100(root: Path, download: bool) -> Raw:
    """50,000 + 10,000 images of 3x32x32, fine labels. Raises UserError as cifar10 does."""
    return _read("cifar100", root, download, classes=100)


def _read(name: str, root: Path, download: bool, classes: int) -> Raw:
    from torchvision import datasets  # takes a second, for which runs on other data do not wait

    kind = getattr(datasets, name.upper())
    try:
        train, test = (kind(root, train=train, download=download) for train in (True, False))
    except (RuntimeError, OSError) as cause:
        failed = f" (the download failed: {cause})" if download else ""
        way_out = f"unpack {kind.filename} into {root} by hand" if download else "add download=true"
        raise UserError(f"{name}: {_trouble(kind, root)}{failed}; {way_out}") from cause
    return Raw(name, _split(train), _split(test), classes)


def _split(part: Any) -> Split:
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # torchvision keeps (N, H, W, C)
    return Split(images, torch.tensor(part.targets))


def _trouble(kind: Any, root: Path) -> str:
    """Why torchvision, which does not name the file, cannot read the data."""
    for name, expected in (*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])):
        path = root / kind.base_folder / name
        if not path.is_file():
            return f"{path} is missing"
        actual = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if actual != expected:
            return f"{path} is corrupt: md5 {actual}, expected {expected}"
    return f"{root / kind.base_folder} cannot be read"
