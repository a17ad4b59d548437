"""Tables that print well: the preview of each parameter, and the initializers of conf/.

In: a module that an initializer has filled. Out: one entry per parameter. Touches: nothing.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bench.parts.initializer.copies import Slot
from bench.parts.initializer.fans import Layer, exact, fans
from bench.parts.initializer.layers import laws
from bench.parts.initializer.roles import roles
from bench.parts.initializer.stand_ins import StandIns, has_forget_gate
from bench.parts.initializer.variance_scaling import MODES, TRUNCATED_STD

WIDEST = 72  # characters of a column

Entry = TypeVar("Entry")
Arguments = Mapping[str, Any]


class Table(list[Entry]):
    """A list of dataclasses whose text is a table with a column per field."""

    def __str__(self) -> str:
        if not self:
            return "nothing"
        columns = [one.name for one in dataclasses.fields(self[0])]  # type: ignore[arg-type]
        lines = [columns, *([shortened(cell(getattr(entry, column))) for column in columns] for entry in self)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
        return "\n".join("  ".join(line).rstrip() for line in padded)


@dataclass(frozen=True)
class Preview:
    """What one parameter gets; the fans are those that its law counts."""

    name: str
    shape: tuple[int, ...]
    role: str  # of its layer, one of bench.parts.initializer.roles.ROLES
    fan_in: int | None  # of a weight; None for any other parameter
    fan_out: int | None
    gain: float | None  # std sqrt(c_in k²): the factor of the layer on the deviation of independent inputs
    std: float  # standard deviation of the entries
    basis: str  # of std: "law", its closed form, or "measured", on a copy that was filled
    law: str


@dataclass(frozen=True)
class Initializer:
    """An initializer: its name, its law, who published it, and its arguments with their defaults."""

    name: str
    law: str
    source: str
    arguments: Arguments


@dataclass(frozen=True)
class Recipe:
    """The initializer of a call: its function in bench/parts, its arguments, and its law in words."""

    function: str
    arguments: Arguments
    law: str
    forget_bias: float | None


def previews(module: nn.Module, slots: Sequence[Slot], found: StandIns, recipe: Recipe) -> Table[Preview]:
    """One entry per parameter, in the order of registration, of a module on copies that an initializer has filled."""
    by_name, seen = roles(module), set()
    layers = {id(one.weight): (name, one) for name, one in module.named_modules() if isinstance(one, Layer)}
    table: Table[Preview] = Table()
    for slot in slots:
        if slot.is_buffer or id(slot.current) in seen:
            continue  # tied parameters are one
        seen.add(id(slot.current))
        own = found.layers.get(slot.name, [])
        name, layer = [*own, layers.get(id(slot.current), (slot.name.rpartition(".")[0], None))][0]
        role = by_name.get(name, "other")
        table.append(_weight(slot, role, layer, recipe) if layer else _other(slot, role, found, recipe))
    return table


def _weight(slot: Slot, role: str, layer: Layer, recipe: Recipe) -> Preview:
    counted = getattr(laws.get(recipe.function), "fans", exact)(layer)
    n_in, n_out = fans(counted)
    closed = CLOSED.get(recipe.function) if layer.weight.numel() else None
    std = closed(counted, recipe.arguments) if closed else _std(slot.current)
    gain, basis = std * math.sqrt(fans(exact(layer))[0]), "law" if closed else "measured"
    return Preview(slot.name, tuple(slot.original.shape), role, n_in, n_out, gain, std, basis, recipe.law)


def _other(slot: Slot, role: str, found: StandIns, recipe: Recipe) -> Preview:
    value = slot.current.detach()
    if slot.name in found.kept:
        law, basis = "as it is", "measured"
    elif value.numel() and bool((value == value.flatten()[0]).all()) and (value.numel() > 1 or value in (0, 1)):
        law, basis = f"{value.flatten()[0]:g}", "law"
    elif recipe.forget_bias is not None and has_forget_gate(slot):
        law, basis = f"forget gate {recipe.forget_bias if 'bias_ih' in slot.key else 0:g}", "measured"
    elif isinstance(slot.owner, nn.Embedding | nn.EmbeddingBag):
        law, basis = "N(0, 1)", "measured"
    else:
        law, basis = recipe.law if isinstance(slot.owner, Layer) else "its reset_parameters()", "measured"
    return Preview(slot.name, tuple(slot.original.shape), role, None, None, None, _std(value), basis, law)


@torch.no_grad()
def _std(values: Tensor) -> float:
    return float(values.double().std(correction=0)) if values.numel() else 0.0


def shortened(text: str) -> str:
    """The text, cut to the width of a column."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def cell(value: Any) -> str:
    """The text of a value in a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return "x".join(map(str, value)) or "scalar"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={cell(entry)}" for key, entry in value.items())
    return "-" if value is None else str(value)


def _variance_scaling(weight: Tensor, of: Arguments) -> float:
    cut = TRUNCATED_STD if of["distribution"] == "truncated_uncorrected" else 1.0
    return float(cut * of.get("gain", 1.0) * math.sqrt(of["scale"] / MODES[of["mode"]](*fans(weight))))


def _he_leaky(weight: Tensor, of: Arguments) -> float:
    return _variance_scaling(weight, {**of, "scale": 2 / (1 + of["slope"] ** 2)})


CLOSED: dict[str, Callable[[Tensor, Arguments], float]] = {
    "variance_scaling": _variance_scaling,
    **{f"{framework}_variance_scaling": _variance_scaling for framework in ("torch", "keras", "jax", "paddle")},
    "he_leaky": _he_leaky,
    "torch_he_leaky": _he_leaky,
    "torch_default": lambda weight, of: 1 / math.sqrt(3 * fans(weight)[0]),
    "orthogonal": lambda weight, of: float(of["gain"]) / math.sqrt(max(len(weight), fans(weight)[0])),
    "normal": lambda weight, of: float(of["std"]),
    "truncated_normal": lambda weight, of: float(of["std"] * TRUNCATED_STD),
    "uniform": lambda weight, of: (of["high"] - of["low"]) / math.sqrt(12),
    "constant": lambda weight, of: 0.0,
}
