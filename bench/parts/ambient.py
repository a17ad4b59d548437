"""The modes of torch that a caller may have set around a call: here they are what a fresh process has.

In: nothing. Out: a context. Touches: torch's modes, and restores them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

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
