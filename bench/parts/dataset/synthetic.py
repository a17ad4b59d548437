"""Images made of a prototype per class and Gaussian noise, of any shape and number: for tests and dry runs.

In: choices of a run. Out: a Dataset. Touches: nothing.
"""

import functools
from pathlib import Path

import torch
from torch import Generator

from bench.parts.dataset.tensors import Dataset, Split, prepare
from bench.registry import dataset


@dataset
@functools.lru_cache(maxsize=1)
def synthetic(
    root: Path,
    download: bool,
    *,
    channels: int,
    size: int,
    classes: int,
    noise: float,
    seed: int,
    train: int,
    validation: int,
    test: int,
    subset: int | None,
    split_seed: int,
    crop: int,
    flip: bool,
    checksum: str | None,
) -> Dataset:
    """x = prototype of the class + noise · e, with prototypes and e ~ N(0, 1) drawn from `seed`, classes balanced."""
    generator = Generator().manual_seed(seed)
    count = train + validation + test
    labels = torch.arange(count) % classes
    prototypes = torch.randn(classes, channels, size, size, generator=generator)
    images = prototypes[labels] + noise * torch.randn(count, channels, size, size, generator=generator)
    return prepare(
        "synthetic",
        Split(images, labels),
        test,
        classes=classes,
        validation=validation,
        subset=subset,
        split_seed=split_seed,
        crop=crop,
        flip=flip,
        checksum=checksum,
    )
