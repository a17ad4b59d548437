"""What repairs a network: the first line, of a short list, after which a copy of it has no problem when it is measured.

In: a model, a batch, what was measured. Out: a Remedy and the measurement after it. Touches: nothing; a copy is filled.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from bench import catalogue, registry
from bench.parts.dataset.tensors import Split
from bench.parts.gain import gain, resolved
from bench.parts.initializer.any_module import fill
from bench.parts.seeds import generator
from bench.schema import Run, UserError
from bench.signal.flow import Flow
from bench.signal.measure import Measurement, measure
from bench.signal.operations import ACTIVATION
from bench.signal.problems import problems

KEEP = ""  # in place of an initializer: the weights are right as they are
STABLE = 2.0  # gradient descent overshoots where the learning rate times the sharpness is above it
SAME = 1e-6  # of a gain: then an activation of the model is the one that conf/ has under its name


@dataclass(frozen=True)
class Remedy:
    """An initializer with its arguments, for the whole model or a part of it, and a lower learning rate if need be."""

    initializer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    activation: str | None = None
    part: str = ""
    uses_batch: bool = False
    learning_rate: float | None = None

    @property
    def line(self) -> str:
        """The line of code that a user runs."""
        rate = f"train at a learning rate of {self.learning_rate:g} at first" if self.learning_rate else ""
        if self.initializer == KEEP:
            return rate
        module = f'model.get_submodule("{self.part}")' if self.part else "model"
        given = {**self.arguments} | ({"activation": self.activation} if self.activation else {})
        words = [f', {key}="{value}"' if isinstance(value, str) else f", {key}={value}" for key, value in given.items()]
        batch = ", batch=batch" if self.uses_batch else ""
        line = f'initialize({module}, "{self.initializer}"{"".join(words)}{batch}, others="keep")'
        return f"{line}, then {rate}" if rate else line

    def applied(self, model: nn.Module, images: Tensor, labels: Tensor | None, seed: int) -> nn.Module:
        """A copy of the model on the CPU after the line. Raises UserError where the initializer does not fit."""
        net = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().requires_grad_()
        if self.initializer == KEEP:
            return net
        option = catalogue.options("initializer")[self.initializer]
        arguments = {**catalogue.arguments(option), **self.arguments}
        arguments |= resolved(arguments, _activation(self.activation or "relu"))
        choices = {"initializer": self.initializer} | {f"initializer.{key}": one for key, one in arguments.items()}
        function = registry.build(Run("remedy", choices, {"initializer": option["function"]}), "initializer")
        shown = labels if labels is not None else images.new_zeros(len(images)).long()
        batch = Split(images.cpu().float(), shown.cpu().long()) if self.uses_batch else None
        fill(net.get_submodule(self.part), self.initializer, function, generator(seed, "init"), batch)
        return net


def remedy(
    model: nn.Module, images: Tensor, labels: Tensor | None, before: Measurement, seed: int
) -> tuple[Remedy, Measurement] | None:
    """The first candidate without a problem at the intended learning rate; else the one that bears the largest.

    None where no candidate helps.
    """
    best: tuple[Remedy, Measurement] | None = None
    for one in _candidates(before):
        try:
            net = one.applied(model, images, labels, seed)
            after = measure(net, images, labels, before.learning_rate, seed, whole=False)
        except UserError:
            continue
        if any(problem.kind != "unstable" for problem in problems(after)):
            continue
        if Flow(after).steepness <= STABLE and not problems(after):
            return one, after
        if best is None or Flow(after).steepness < Flow(best[1]).steepness:
            best = one, after
    if best is None:
        return None
    rate = float(f"{before.learning_rate / Flow(best[1]).steepness:.0e}")
    slower = replace(best[0], learning_rate=rate)
    return slower, measure(slower.applied(model, images, labels, seed), images, labels, rate, seed)


def _candidates(before: Measurement) -> Iterator[Remedy]:
    """From what changes least to what fits most models."""
    flow = Flow(before)
    found = problems(before)
    law = _law(flow)
    if all(one.kind == "unstable" for one in found):
        yield Remedy(KEEP)
    silent = {flow.owner(one.layer) for one in found if one.kind == "silent"}
    if len(silent) == 1:
        yield replace(law, part=silent.pop())
    yield law
    yield replace(law, initializer="taki")
    yield Remedy("lsuv", uses_batch=True)


def _law(flow: Flow) -> Remedy:
    """He's law with the gain of the model's activation: by its name, if conf/ has it, else as a number."""
    calls = {one.function: one.call for one in flow.operations if one.kind == ACTIVATION and one.call is not None}
    if len(calls) != 1:
        return Remedy("he_normal", {"gain": "auto"})
    ((name, call),) = calls.items()
    try:
        number = gain(call)
        known = name in catalogue.options("activation") and abs(gain(_activation(name)) - number) < SAME
    except UserError:
        return Remedy("he_normal", {"gain": "auto"})
    return Remedy("he_normal", {"gain": "auto"}, name) if known else Remedy("he_normal", {"gain": round(number, 4)})


def _activation(name: str) -> nn.Module:
    option = catalogue.options("activation")[name]
    built: nn.Module = registry.find("activation", option["function"])(**catalogue.arguments(option))
    return built
