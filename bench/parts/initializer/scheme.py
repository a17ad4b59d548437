"""Helpers for schemes of a whole model: an error undoes a scheme, and only parameters are left changed.

In: a model, a generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch import Generator, Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.parts.dataset.tensors import Split
from bench.parts.initializer.fans import origin_of
from bench.parts.initializer.layers import Law, bound, draw_weights, layers, restart_others
from bench.parts.initializer.norms import forget, is_norm
from bench.parts.initializer.roles import roles
from bench.parts.initializer.variance_scaling import variance_scaling
from bench.schema import Unfit, UserError

Scheme = Callable[..., None]


def all_or_nothing(function: Scheme) -> Scheme:
    """The initializer, which on an error restores every parameter and buffer before it raises."""

    @functools.wraps(function)
    def guarded(model: nn.Module, generator: Generator, batch: Split | None, **arguments: Any) -> None:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        try:
            function(model, generator, batch, **arguments)
        except BaseException:
            model.load_state_dict(before)
            raise

    return guarded


@contextmanager
def measured(model: nn.Module) -> Iterator[None]:
    """The model in training mode but without dropout; restores each module's mode and resets statistics afterwards.

    Normalizations use the statistics of the batch, since a new model has none of its own.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = is_norm(module)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
            if is_norm(module):
                forget(module)


def given(batch: Split | None, model: nn.Module) -> Split:
    """The batch in the precision and on the device of the model; raises UserError where there is none."""
    if batch is None:
        raise UserError("this initializer needs data and got none; give it a batch of images and labels")
    parameter = next(model.parameters())
    return Split(batch.images.to(parameter), batch.labels.to(parameter.device))


def parameters(model: nn.Module) -> dict[str, Tensor]:
    """A copy of each parameter by its name, without the layers that stand in for parts of others."""
    standing_in = {id(layer.weight) for layer in layers(model) if origin_of(layer)}
    named = model.named_parameters()
    return {name: parameter.detach().clone() for name, parameter in named if id(parameter) not in standing_in}


@contextmanager
def differentiable(scheme: str, order: str) -> Iterator[None]:
    """Attention in a form that has derivatives of any order; raises Unfit where torch has none of another module."""
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    except RuntimeError as unknown:
        if "derivative" not in str(unknown):  # memory may be missing
            raise
        sentence = f"{scheme} needs {order} derivatives ({unknown}); take normalization=none"
        raise Unfit(f"torch has no {order} derivative of one of its modules", sentence) from unknown


def fill(
    model: nn.Module, generator: Generator, general: Law, of_role: Mapping[str, Law] = MappingProxyType({})
) -> None:
    """Draw every layer's weight by the law of its role, or else the general one, and reset everything else."""
    restart_others(model)
    found: Any = [(model.get_submodule(name), of_role.get(role, general)) for name, role in roles(model).items()]
    draw_weights(found, generator)


def normal(gain: float | str, mode: str) -> Law:
    """The law N(0, gain² / n), n the fan that `mode` names."""
    return bound(variance_scaling, scale=1.0, gain=gain, mode=mode, distribution="normal")
