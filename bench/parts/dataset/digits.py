"""Handwritten digits that come inside scikit-learn: the dataset that is always there.

In: choices of a run. Out: a Dataset. Touches: scikit-learn's own files, to read.
"""

import functools
from pathlib import Path

import torch

from bench.parts.dataset.tensors import Dataset, Split, prepare
from bench.registry import dataset


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
    from sklearn.datasets import load_digits  # takes a second, for which runs on other data do not wait

    raw = load_digits()
    images = torch.from_numpy(raw.images).to(torch.uint8).unsqueeze(1)
    return prepare(
        "digits",
        Split(images, torch.from_numpy(raw.target).long()),
        test,
        classes=len(raw.target_names),
        validation=validation,
        subset=subset,
        split_seed=split_seed,
        crop=crop,
        flip=flip,
        checksum=checksum,
    )
