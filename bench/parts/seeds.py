"""One integer per run, split by purpose.

In: a seed and a purpose. Out: a generator. Touches: nothing; no global generator is read or set.
"""

import hashlib
from typing import Literal

import torch

Purpose = Literal["model", "init", "order", "augment", "global", "probe"]


def generator(seed: int, purpose: Purpose) -> torch.Generator:
    """A CPU generator for each purpose, so that runs which share a seed see the same batches.

    Weights and batches are drawn on the CPU whatever the device, so a run has the same ones everywhere.
    """
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
