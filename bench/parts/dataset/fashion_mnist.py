"""Fashion-MNIST, from torchvision's folder or from Debian's package.

In: the data folder. Out: raw data. Touches: the data folder, and the network if a download is allowed.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.parts.dataset.tensors import Raw, Split, reader
from bench.schema import UserError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist: the four files, compressed
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@reader
def fashion_mnist(root: Path, download: bool) -> Raw:
    """60,000 + 10,000 images of 1x28x28. Raises UserError when a file is missing or is no whole idx file."""
    train_images, train_labels, test_images, test_labels = map(_idx, _files(root, download))
    train = Split(train_images.unsqueeze(1), train_labels.long())
    test = Split(test_images.unsqueeze(1), test_labels.long())
    return Raw("fashion_mnist", train, test, classes=10)


def _files(root: Path, download: bool) -> list[Path]:
    """The four files, unpacked or .gz, of the first folder that holds them all; a download is the last resort."""
    folders = (root / "FashionMNIST" / "raw", DEBIAN)
    for folder in folders:
        found = [path for name in FILES if (path := _present(folder / name))]
        if len(found) == len(FILES):
            return found
    if not download:
        raise UserError(
            f"fashion_mnist is neither in {folders[0]} nor in {DEBIAN}; "
            "add download=true, or apt-get install dataset-fashion-mnist"
        )
    try:
        from torchvision.datasets import FashionMNIST  # takes a second, for which runs on other data do not wait

        FashionMNIST(root, download=True)
    except (RuntimeError, OSError) as cause:
        raise UserError(
            f"fashion_mnist: the download failed ({' '.join(str(cause).split())}); "
            f"try again, apt-get install dataset-fashion-mnist, or put {', '.join(FILES)} into {folders[0]}"
        ) from cause
    return [folders[0] / name for name in FILES]


def _present(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return next((candidate for candidate in (path, packed) if candidate.is_file()), None)


def _idx(path: Path) -> Tensor:
    """The values of an idx file: 0, 0, type, number of dimensions; each dimension as a big-endian int32; the bytes."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        dimensions = data[3]
        shape = np.frombuffer(data, ">i4", dimensions, offset=4)
        values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
        return torch.from_numpy(values.reshape(shape).copy())
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as cause:
        raise UserError(f"fashion_mnist: {path} is corrupt ({cause}); delete it and get it again") from cause
