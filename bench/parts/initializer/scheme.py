"""What the schemes for a whole model share: they happen whole or not at all, and leave no trace but the parameters.

In: a model, a generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch import Generator, nn

from bench.parts.dataset.tensors import Split
from bench.parts.initializer.layers import Law, bound, draw_weights, restart_others
from bench.parts.initializer.roles import Norm, roles
from bench.parts.initializer.variance_scaling import variance_scaling
from bench.schema import UserError

Scheme = Callable[..., None]


def all_or_nothing(function: Scheme) -> Scheme:
    """The initializer, which puts every parameter and buffer back before it lets an error pass."""

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
    """The model as it trains, but without dropout; afterwards each module in its own mode, statistics at their start.

    Normalizations use the batch's own statistics, since those of a fresh model know nothing yet.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = isinstance(module, Norm)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.reset_running_stats()


def there(batch: Split | None, model: nn.Module) -> Split:
    """The batch in the precision and on the device of the model; raises UserError where there is none."""
    if batch is None:
        raise UserError("this initializer looks at data and got none; hand it a batch of images and labels")
    parameter = next(model.parameters())
    return Split(batch.images.to(parameter), batch.labels.to(parameter.device))


def fill(
    model: nn.Module, generator: Generator, general: Law, of_role: Mapping[str, Law] = MappingProxyType({})
) -> None:
    """Draw every layer's weight by the law of its role, or else the general one, and restart everything else."""
    restart_others(model)
    found: Any = [(model.get_submodule(name), of_role.get(role, general)) for name, role in roles(model).items()]
    draw_weights(found, generator)


def normal(gain: float | str, mode: str) -> Law:
    """The law N(0, gain² / n), n the fan that `mode` names."""
    return bound(variance_scaling, scale=1.0, gain=gain, mode=mode, distribution="normal")
