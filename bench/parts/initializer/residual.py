"""Schemes that set the scale of residual branches: Fixup, SkipInit, ReZero, Hanin, stable-add, Arpit.

In: a model with residual branches and a generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools
import math

import torch
from torch import Generator, Tensor, nn

from bench.parts.arguments import SUM
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import bound, layers
from bench.parts.initializer.norms import refuse_standardized
from bench.parts.initializer.orthogonal import orthogonal
from bench.parts.initializer.roles import Branch, residual_branches, roles
from bench.parts.initializer.scheme import all_or_nothing, fill, normal
from bench.parts.initializer.variance_scaling import variance_scaling
from bench.registry import initializer
from bench.schema import Unfit, UserError

ONE_OVER_SQRT_DEPTH = "one_over_sqrt_depth"

torch_default = bound(variance_scaling, scale=1 / 3, gain=1.0, mode="fan_in", distribution="uniform")


@initializer
@all_or_nothing
def fixup(
    model: nn.Module, generator: Generator, batch: object, *, gain: float | str, mode: str, residual: str
) -> None:
    """Scale the branches' layers by L^(-1/(2m-2)), their last to 0, the classifier to 0 (Zhang, Dauphin & Ma 2019).

    L branches have m layers each. Before the scaling, weights are N(0, gain² / n), those of the stem PyTorch's layer
    default, as in the published code. With residual "sum" the learned numbers are left out.
    """
    found = joined(model, residual, ("fixup", SUM), "fixup")
    refuse_standardized(layers(model), "fixup")
    fill(model, generator, normal(gain, mode), {"stem": torch_default})
    for branch in found:
        *inner, last = branch.layers
        for layer in inner:
            multiply(layer.weight, len(found) ** (-1 / (2 * len(inner))))
        nn.init.zeros_(last.weight)
    zero_classifier(model)


@initializer
@all_or_nothing
def skipinit(
    model: nn.Module,
    generator: Generator,
    batch: object,
    *,
    gain: float | str,
    mode: str,
    alpha: float | str,
    residual: str,
) -> None:
    """Multiply each of the L branches with a learned alpha that starts at 0, or 1/sqrt(L) (De & Smith 2020).

    Weights are N(0, gain² / n). Raises UserError for an alpha of another name.
    """
    found = joined(model, residual, ("scalar",), "skipinit")
    if isinstance(alpha, str) and alpha != ONE_OVER_SQRT_DEPTH:
        raise UserError(f"alpha is a number or {ONE_OVER_SQRT_DEPTH}, not {alpha!r}")
    value = len(found) ** -0.5 if isinstance(alpha, str) else alpha
    fill(model, generator, normal(gain, mode))
    set_alphas(found, [value] * len(found))


@initializer
@all_or_nothing
def rezero(
    model: nn.Module, generator: Generator, batch: object, *, gain: float | str, mode: str, residual: str
) -> None:
    """Multiply each branch, its last activation included, with a learned alpha that starts at 0 (Bachlechner 2020).

    Weights are N(0, gain² / n).
    """
    found = joined(model, residual, ("rezero",), "rezero")
    fill(model, generator, normal(gain, mode))
    set_alphas(found, [0.0] * len(found))


@initializer
@all_or_nothing
def hanin(
    model: nn.Module, generator: Generator, batch: object, *, gain: float | str, mode: str, base: float, residual: str
) -> None:
    """Multiply branch l = 1..L with base^l, so that the sum of the scales stays finite (Hanin & Rolnick 2018).

    The scale is the start of a learned alpha; weights are N(0, gain² / n). Raises UserError for a base outside (0, 1),
    where the sum grows with depth.
    """
    found = joined(model, residual, ("scalar",), "hanin")
    if not 0 < base < 1:
        raise UserError(f"base={base}: the sum of base^l stays finite only for 0 < base < 1; take 0.9, for example")
    fill(model, generator, normal(gain, mode))
    set_alphas(found, [base**index for index in range(1, len(found) + 1)])


@initializer
@all_or_nothing
def stable_add(
    model: nn.Module, generator: Generator, batch: object, *, gain: float | str, mode: str, residual: str
) -> None:
    """Make blocks (x + f) / sqrt(2), so that a sum keeps the variance of its terms (Balduzzi et al. 2017).

    Weights are N(0, gain² / n).
    """
    joined(model, residual, ("average",), "stable_add")
    fill(model, generator, normal(gain, mode))


@initializer
@all_or_nothing
def arpit(model: nn.Module, generator: Generator, batch: object) -> None:
    """Draw orthogonal directions, each of norm sqrt(gain n_in / n_out) (Arpit, Campos & Bengio 2019, and their code).

    The gain is 2, but 1/N for the last layer of a branch, N the branches of its stage, and 1 for the stem and the
    shortcuts; the classifier follows PyTorch's layer default. These are the first weights of the weight-normalized
    net; here they train without that parametrization.
    """
    found = joined(model, SUM, (SUM,), "arpit")
    refuse_standardized(layers(model), "arpit")
    laws = {role: functools.partial(directions, gain=1.0) for role in ("stem", "shortcut")}
    fill(model, generator, functools.partial(directions, gain=2.0), {**laws, "classifier": torch_default})
    for branch in found:
        in_stage = sum(other.stage == branch.stage for other in found)
        multiply(branch.layers[-1].weight, math.sqrt(1 / in_stage / 2.0))


def directions(weight: Tensor, generator: Generator, *, gain: float) -> None:
    """Orthogonal rows or columns, then every row at norm sqrt(gain n_in / n_out)."""
    orthogonal(weight, generator, gain=1.0)
    n_in, n_out = fans(weight)
    rows = weight.flatten(1)
    rows.mul_(math.sqrt(gain * n_in / n_out) / rows.norm(dim=1, keepdim=True))


def joined(model: nn.Module, residual: str, forms: tuple[str, ...], name: str) -> list[Branch]:
    """The model's branches, all joined to their shortcuts in the form `residual`, one of the forms of the scheme.

    Raises UserError for another form, Unfit where the model has no branches or joins them in another.
    """
    if residual not in forms:
        raise UserError(f"{name} needs initializer.residual={' or '.join(forms)}, not {residual}")
    found = residual_branches(model, name)
    for branch in found:
        form = getattr(branch.block, "residual", SUM)
        if form != residual:
            sentence = f"{name} needs a model built with residual={residual}; block {branch.name} has {form}"
            raise Unfit(f"block {branch.name} joins its branch by {form}, not by {residual}", sentence)
    return found


@torch.no_grad()
def multiply(weight: Tensor, factor: float) -> None:
    """Scale a parameter in place."""
    weight.mul_(factor)


def set_alphas(found: list[Branch], values: list[float]) -> None:
    """Set the learned number of each branch to its start."""
    for branch, value in zip(found, values, strict=True):
        nn.init.constant_(branch.block.get_parameter("alpha.value"), value)


def zero_classifier(model: nn.Module) -> None:
    """Set the classifier's weight to 0, where there is one; its bias is 0 already."""
    for name, role in roles(model).items():
        if role == "classifier":
            nn.init.zeros_(model.get_submodule(name).get_parameter("weight"))
