"""Schemes in which a layer's law depends on the role of the layer.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed, and reads conf/.
"""

import functools
import math

from torch import Generator, nn

from bench import catalogue, registry
from bench.parts.gain import number
from bench.parts.initializer import scheme
from bench.parts.initializer.fixed_scale import normal
from bench.parts.initializer.layers import Law, bound, draw_together, laws, layers
from bench.parts.initializer.norms import refuse_standardized
from bench.parts.initializer.roles import ROLES, residual_branches
from bench.registry import initializer
from bench.schema import Unfit, UserError


@initializer
def by_role(
    model: nn.Module,
    generator: Generator,
    batch: object,
    *,
    stem: str,
    first: str,
    middle: str,
    last: str,
    shortcut: str,
    classifier: str,
    other: str,
) -> None:
    """Draw each layer by the initializer that is named for its role (see roles.py), with its arguments in conf/.

    Raises UserError for a name that is not a law of one tensor.
    """
    names = dict(zip(ROLES, (stem, first, middle, last, shortcut, classifier, other), strict=True))
    scheme.fill(model, generator, named(other), {role: named(name) for role, name in names.items()})


@initializer
def mup(model: nn.Module, generator: Generator, batch: object, *, gain: float | str) -> None:
    """Draw w ~ N(0, gain² / n_in), and set the classifier to 0 (Yang & Hu 2021, the initialization of muP alone).

    muP's other half, learning rates that depend on the width, belongs to the optimizer and is not done here.
    """
    zero = bound(normal, std=0.0)
    scheme.fill(model, generator, scheme.normal(gain, "fan_in"), {"classifier": zero})


@initializer
def taki(model: nn.Module, generator: Generator, batch: object, *, gain: float | str) -> None:
    """Draw w ~ N(0, gain² / (n_in L)) in the L residual branches, and N(0, gain² / n_in) elsewhere (Taki 2017).

    His c is gain². Raises Unfit for a model without residual branches.
    """
    blocks = residual_branches(model, "taki")
    refuse_standardized(layers(model), "taki")
    inside = scheme.normal(number(gain) / math.sqrt(len(blocks)), "fan_in")
    branch = dict.fromkeys(("first", "middle", "last"), inside)
    scheme.fill(model, generator, scheme.normal(gain, "fan_in"), branch)


@initializer
def zero_gamma(model: nn.Module, generator: Generator, batch: object, *, gain: float | str, mode: str) -> None:
    """Draw w ~ N(0, gain² / n), and start the normalization that ends each residual branch at weight 0 (Goyal 2017).

    Each block starts as its shortcut. Raises Unfit for a model without branches, or a branch that does not end with a
    normalization that has a weight: of a relu and a layer behind it, neither would ever learn.
    """
    blocks = residual_branches(model, "zero_gamma")
    if bare := [branch.name or "the model" for branch in blocks if branch.ending is None]:
        reason = f"a branch of {bare[0]} does not end with a normalization"
        sentence = (
            f"zero_gamma sets the weight of the normalization that ends a residual branch, and {bare[0]} has none; "
            "take normalization=batch"
        )
        raise Unfit(reason, sentence)
    scheme.fill(model, generator, scheme.normal(gain, mode))
    for branch in blocks:
        nn.init.zeros_(branch.ending.weight)  # type: ignore[union-attr, arg-type]


@initializer
def mean_field(
    model: nn.Module, generator: Generator, batch: object, *, gain: float | str, bias_std: float | str
) -> None:
    """Draw w ~ N(0, gain² / n_in) and biases ~ N(0, bias_std²), where layers have them, after all weights.

    With both "critical" they are the sigma_w and sigma_b at which chi_1 = 1 for pre-activations of variance 1, the edge
    of chaos of the run's activation (Schoenholz et al. 2017, Xiao et al. 2018).
    """
    std = number(bias_std, "bias_std")
    scheme.fill(model, generator, scheme.normal(gain, "fan_in"))
    biases = [layer.bias for layer in layers(model) if layer.bias is not None]
    draw_together([(bias, normal.draw_of(bias, std=std)) for bias in biases], generator)


def named(name: str) -> Law:
    """The law of one tensor behind an initializer of conf/, with its arguments there.

    Raises UserError, with all known names, for another name.
    """
    options, name = _options(), catalogue.canonical("initializer", name)
    if name not in options:
        raise UserError(registry.unknown("law of one tensor", name, options))
    return options[name]


@functools.cache
def _options() -> dict[str, Law]:
    registry.find("initializer", "by_role")  # imports them all
    return {
        name: bound(laws[option["function"]], **catalogue.arguments(option))
        for name, option in catalogue.options("initializer").items()
        if option["function"] in laws
    }
