"""Handwritten digits that come inside scikit-learn: the dataset that is always there.

In: choices of a run. Out: a Dataset. Touches: scikit-learn's own files, to read.
"""

import functools
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.parts.dataset.tensors import Dataset, Split, prepare
from bench.registry import dataset

FILE = "sklearn/datasets/data/digits.csv.gz"  # of scikit-learn: a line per image, its pixels and its label
SIZE, CLASSES = 8, 10  # of an image, each way; of labels


@dataset
@functools.lru_cache(maxsize=1)
def digits(
    root: Path,
    download: bool,
    *,
    test: int,
    validation: int,
    subset: int | None,
    split_seed: int,
    crop: int,
    flip: bool,
    checksum: str | None,
) -> Dataset:
    """1,797 images of 1x8x8, grey levels 0 to 16, in one pool from which test and validation are carved."""
    table = torch.from_numpy(read())
    images = table[:, :-1].to(torch.uint8).view(-1, 1, SIZE, SIZE)
    return prepare(
        "digits",
        Split(images, table[:, -1].long()),
        test,
        classes=CLASSES,
        validation=validation,
        subset=subset,
        split_seed=split_seed,
        crop=crop,
        flip=flip,
        checksum=checksum,
    )


def read() -> "np.ndarray[Any, Any]":
    """(1797, 65): the pixels of each image, row by row, and its label."""
    file = Path(str(distribution("scikit-learn").locate_file(FILE)))
    if file.is_file():  # to import scikit-learn takes seconds, in each process of a sweep
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])
