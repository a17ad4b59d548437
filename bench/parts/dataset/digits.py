"""Handwritten digits that come with scikit-learn: the dataset that needs no download.

In: nothing. Out: raw data. Touches: scikit-learn's own files, which it reads.
"""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from bench.bounds import Count
from bench.parts.dataset.tensors import Raw, Split, reader

FILE = "sklearn/datasets/data/digits.csv.gz"  # of scikit-learn: a line per image, its pixels and its label
SIZE, CLASSES = 8, 10  # of an image, each way; of labels


@reader
def digits(root: Path, download: bool, *, test: Count) -> Raw:
    """1,797 images of 1x8x8, grey levels 0 to 16, in one pool from which `test` images are taken to test on."""
    return Raw("digits", _pool(), test, CLASSES)


@reader
def digits_resized(root: Path, download: bool, *, size: Count, test: Count) -> Raw:
    """The same at size x size, bilinear, in fifteenths of a grey level: for networks that need larger images."""
    images, labels = _pool()
    resized = interpolate(15.0 * images.double(), (size, size), mode="bilinear").round().to(torch.uint8)
    return Raw("digits_resized", Split(resized, labels), test, CLASSES)


def _pool() -> Split:
    table = torch.from_numpy(read())
    return Split(table[:, :-1].to(torch.uint8).view(-1, 1, SIZE, SIZE), table[:, -1].long())


def read() -> "np.ndarray[Any, Any]":
    """(1797, 65): the pixels of each image, row by row, and its label."""
    file = Path(str(distribution("scikit-learn").locate_file(FILE)))
    if file.is_file():  # importing scikit-learn takes seconds in each process of a sweep
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])
