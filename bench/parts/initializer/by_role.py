"""Schemes in which a layer's law depends on the role of the layer, or is that of another initializer.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed, and reads conf/.
"""

import functools
import math

import torch
from torch import Generator, nn

from bench import catalogue, registry
from bench.parts.gain import number
from bench.parts.initializer import scheme
from bench.parts.initializer.fixed_scale import normal
from bench.parts.initializer.layers import Law, bound, draw_together, laws, layers
from bench.parts.initializer.norms import refuse_standardized
from bench.parts.initializer.roles import ROLES, residual_branches
from bench.registry import initializer
from bench.schema import Unfit

SEEDS = 2**32  # torch's CPU generator takes 32 bits of its seed


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
def again(model: nn.Module, generator: Generator, batch: object, *, of: str) -> None:
    """Draw each layer by the law of the initializer `of` of conf/, with a generator that `generator` seeds.

    With the same seed a run has other weights than with `of`, from the same law: a difference between the two is a
    false positive. Raises UserError for a name that is not a law of one tensor.
    """
    law = named(of)
    seed = int(torch.randint(SEEDS, (), generator=generator))
    scheme.fill(model, torch.Generator().manual_seed(seed), law)


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
    """Draw w ~ N(0, gain² / n), and start the last normalization of each residual branch at weight 0 (Goyal 2017).

    Each block starts as its shortcut. Raises Unfit for a model without branches, a branch without a normalization
    that has a weight, and one whose last layer comes after it: a weight of 0 before a relu would never change.
    """
    blocks = residual_branches(model, "zero_gamma")
    if bare := [branch.name or "the model" for branch in blocks if not branch.norms]:
        sentence = f"zero_gamma sets a normalization's weight, and {bare[0]} has none; take normalization=batch"
        raise Unfit(f"the branch of {bare[0]} has no normalization with a weight", sentence)
    if early := [branch.name or "the model" for branch in blocks if not branch.ends_with_norm]:
        sentence = (
            f"zero_gamma sets the normalization that ends a branch, and {early[0]} ends with a layer, as with "
            "pre-activation; take a model in the other order, or initializer=rezero or skipinit"
        )
        raise Unfit(f"the branch of {early[0]} ends with a layer, not with a normalization", sentence)
    scheme.fill(model, generator, scheme.normal(gain, mode))
    for branch in blocks:
        nn.init.zeros_(branch.norms[-1].weight)  # type: ignore[arg-type]


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
    registry.refuse_unknown("law of one tensor", name, options)
    return options[name]


@functools.cache
def _options() -> dict[str, Law]:
    registry.find("initializer", "by_role")  # imports them all
    return {
        name: bound(laws[option["function"]], **catalogue.arguments(option))
        for name, option in catalogue.options("initializer").items()
        if option["function"] in laws
    }
