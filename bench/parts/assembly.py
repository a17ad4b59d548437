"""The model of a run: built of its parts, with its weights drawn.

In: a run, its data. Out: a module on the CPU. Touches: torch's global generator, which models may draw from.
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench import registry
from bench.parts.ambient import seeded
from bench.parts.arguments import BY_ACTIVATION, RESIDUAL, SUM
from bench.parts.dataset.tensors import Dataset
from bench.parts.gain import resolved
from bench.parts.initializer.any_module import fill
from bench.parts.initializer.resets import same
from bench.parts.initializer.torch_default import as_shipped
from bench.parts.model.contents import contents
from bench.parts.model.fit import Fitted
from bench.parts.model.own import Own
from bench.parts.seeds import generator
from bench.schema import Run, Unfit, UserError


class Assembled(NamedTuple):
    """A model, and what was fitted of it to the data."""

    model: nn.Module
    fitted: Fitted


def assembled(run: Run, data: Dataset, batch_size: int) -> Assembled:
    """Build the model of a run and draw its weights; initializers that look at data get one batch.

    What the constructor of the model draws follows the seed of the run. Raises UserError for parts that do not fit.
    """
    seed, is_own = run.choices["seed"], registry.is_own("model", run.functions["model"])
    ships = run.functions["initializer"] == as_shipped.__name__
    parts = [registry.build(run, word) if word in run.functions else None for word in ("activation", "normalization")]
    build = registry.build(run, "model")

    def constructed() -> nn.Module:
        with seeded(generator(seed, "model").initial_seed()):
            made: nn.Module = build(data.shape, data.classes, *parts, run.choices.get(RESIDUAL, SUM))
        return made

    model = constructed()
    if ships and not same(_values(model), _values(constructed())):
        raise Unfit(
            f"{run.choices['model']} draws from a generator of its own, which no seed reaches, so its weights are not "
            "kept; draw from those of torch, numpy or random, or take another initializer"
        )
    batch = data.train.take(torch.arange(min(batch_size, data.sizes[0])))
    initialize = functools.partial(registry.build(run, "initializer"), **_numbers(run, model, parts[0]))
    if is_own and not ships:
        fill(model, run.choices["initializer"], initialize, generator(seed, "init"), batch)
    else:
        initialize(model, generator(seed, "init"), batch)
    return Assembled(model, build.fitted(data.shape, data.classes, *parts) if isinstance(build, Own) else Fitted())


def _values(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _numbers(run: Run, model: nn.Module, activation: Callable[[], nn.Module] | None) -> dict[str, float]:
    """Numbers for the words that initializers have for something of the activation: the run's, or the model's own."""
    arguments = run.arguments("initializer")
    words = [f"{key}={arguments[key]}" for key in BY_ACTIVATION if isinstance(arguments.get(key), str)]
    if activation is not None or not words:
        return resolved(arguments, activation()) if activation else {}
    has = contents(model)
    functions = [function for forms in has.activations.values() for function in forms.values()]
    if has.whole and len(functions) == 1:
        return resolved(arguments, functions[0])
    with suppress(UserError):  # of one among several
        found = [resolved(arguments, function) for function in functions] if has.whole else []
        if found and all(one == found[0] for one in found):
            return found[0]
    label = run.choices["activation"].partition(": ")[2] or "some that its code hides"
    reason = f"{words[0]} follows one activation, and {run.choices['model']} has {label}"
    raise Unfit(reason, f"initializer.{reason}; give a number")
