"""Images made of a prototype per class and Gaussian noise, of any shape and number: for tests and dry runs.

In: a shape, counts, a seed. Out: raw data. Touches: nothing.
"""

from pathlib import Path
from typing import Annotated

import torch
from torch import Generator

from bench.bounds import Bound, Count, Natural, Nonnegative
from bench.parts.dataset.tensors import Raw, Split, reader

Classes = Annotated[int, Bound(least=2)]


@reader
def synthetic(
    root: Path,
    download: bool,
    *,
    channels: Count,
    size: Count,
    classes: Classes,
    noise: Nonnegative,
    seed: Natural,
    train: Count,
    validation: Count,
    test: Count,
) -> Raw:
    """x = prototype of the class + noise · e, with prototypes and e ~ N(0, 1) drawn from `seed`, classes balanced."""
    generator = Generator().manual_seed(seed)
    count = train + validation + test
    labels = torch.arange(count) % classes
    prototypes = torch.randn(classes, channels, size, size, generator=generator)
    images = prototypes[labels] + noise * torch.randn(count, channels, size, size, generator=generator)
    return Raw("synthetic", Split(images, labels), test, classes)
