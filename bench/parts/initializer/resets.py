"""The method by which a module sets its own parameters, reset_parameters(), and whether it draws random numbers.

In: a module and a generator. Out: the module, its own parameters set. Touches: the tensors it is handed; the global
generators of torch, numpy and Python, which are put back.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bench.parts.ambient import generators_kept, seeded
from bench.schema import Unfit


def reset_of(module: nn.Module) -> Callable[[], object] | None:
    """The module's reset_parameters(), which nn.MultiheadAttention calls _reset_parameters(); None without one."""
    reset: Callable[[], object] | None = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
    return reset


@torch.no_grad()
def settled(module: nn.Module) -> bool:
    """Whether the module's reset sets the same values at each call, without a draw; it is called twice."""
    reset = reset_of(module)
    if reset is None:
        return False
    with generators_kept():
        before = _states()
        first, second = _values_after(reset, module), _values_after(reset, module)
        return before == _states() and same(first, second)


@torch.no_grad()
def reset_by(module: nn.Module, generator: Generator) -> None:
    """Call the module's reset, with the global generators of torch, numpy and Python seeded by this one.

    Raises Unfit where there is none, or it draws from another generator, so that no seed decides its values.
    """
    reset, kind = reset_of(module), type(module).__name__
    if reset is None:
        raise Unfit(f"no initializer knows the parameters of {kind}; give it a reset_parameters()")
    seed = int(torch.randint(2**62, (), generator=generator))
    drawn = []
    for _ in range(2):
        with seeded(seed):
            drawn.append(_values_after(reset, module))
    if not same(*drawn):
        raise Unfit(f"{kind}.reset_parameters() draws from a generator of its own, which no seed reaches")


def _states() -> tuple[Any, ...]:
    numpy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy["state"]["key"].tolist(), numpy["state"]["pos"], random.getstate()


def _values_after(reset: Callable[[], object], module: nn.Module) -> list[Tensor]:
    reset()
    return [tensor.clone() for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))]


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether two lists of tensors have the same shapes and values; NaN is the same as NaN."""
    if [a.shape for a in one] != [b.shape for b in other]:
        return False
    return all(bool(((a == b) | (a.isnan() & b.isnan())).all()) for a, b in zip(one, other, strict=True))
