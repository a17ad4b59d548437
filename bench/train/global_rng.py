"""The global random generators of a process. A model's constructor draws from them, and so may dropout.

In: a seed, or a state. Out: a state. Touches: the generators of random, numpy, torch and the GPU in use.
"""

import random
from typing import Any

import numpy as np
import torch


def seed(number: int) -> None:
    """Seed all of them with one number, so that a run does not depend on what its process did before."""
    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002, it is the global one that a user's part may draw from
    torch.default_generator.manual_seed(number)  # without a GPU, torch.manual_seed records the whole stack at each call
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)


def states() -> dict[str, Any]:
    """The states of all of them, in plain values and tensors."""
    numpy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    key = numpy["state"]["key"].tolist()  # a numpy array would need its pickle's code to be loaded
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return {
        "random": random.getstate(),
        "numpy": numpy | {"state": numpy["state"] | {"key": key}},
        "torch": torch.get_rng_state(),
        "gpu": gpu,
    }


def restore(states: dict[str, Any]) -> None:
    """Set all of them to these states."""
    random.setstate(states["random"])
    numpy = states["numpy"]
    key = np.array(numpy["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpy | {"state": numpy["state"] | {"key": key}})  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["gpu"] is not None:
        torch.cuda.set_rng_state(states["gpu"])


def equal(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether these are the same states."""
    return all(
        torch.equal(state, theirs[name]) if isinstance(state, torch.Tensor) else state == theirs[name]
        for name, state in ours.items()
    )
