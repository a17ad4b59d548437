"""Images made of a prototype per class and Gaussian noise, of any shape and number: for tests and dry runs.

In: a shape, counts, a seed. Out: raw data. Touches: nothing.
"""

from pathlib import Path

import torch
from torch import Generator

from bench.parts.dataset.tensors import Raw, Split, reader


@reader
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
) -> Raw:
    """x = prototype of the class + noise · e, with prototypes and e ~ N(0, 1) drawn from `seed`, classes balanced."""
    generator = Generator().manual_seed(seed)
    count = train + validation + test
    labels = torch.arange(count) % classes
    prototypes = torch.randn(classes, channels, size, size, generator=generator)
    images = prototypes[labels] + noise * torch.randn(count, channels, size, size, generator=generator)
    return Raw("synthetic", Split(images, labels), test, classes)
