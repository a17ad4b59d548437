"""The modes and the global generators that code outside may have set, and that a part's own code may use.

In: nothing, or a seed. Out: a context. Touches: torch's modes, and the global generators of torch on the CPU, numpy and
Python; restores them.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def neutral() -> Iterator[None]:
    """No autocast or inference mode, gradients on, new tensors in float32 on the CPU.

    The default dtype is one of the whole process: another thread sees float32 meanwhile.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
            torch.device("cpu"),
        ):
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def generators_kept() -> Iterator[None]:
    """The global generators of torch on the CPU, numpy and Python, put back afterwards."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """These generators, seeded with one number and put back afterwards."""
    with generators_kept():
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002, the one that code of the user's may draw from
        random.seed(seed)
        yield
