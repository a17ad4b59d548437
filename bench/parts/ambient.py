"""The modes of torch that a caller may have set around a call, which are here what a fresh process has, and the
global random generators, which a call leaves as they were.

In: nothing. Out: a context. Touches: torch's modes and the global generators, and restores them.
"""

import random
from collections.abc import Iterator, Sequence
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
def unchanged_generators(devices: Sequence[int] = ()) -> Iterator[None]:
    """The global generators of torch on the CPU and these GPUs, of numpy and Python, put back afterwards."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)
