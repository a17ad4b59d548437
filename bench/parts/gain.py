"""The gain of an activation, by quadrature: the factor on its weights that keeps the size of a signal.

In: an activation. Out: a number. Touches: nothing; a module is copied before it is called.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.parts.ambient import neutral
from bench.parts.arguments import BY_ACTIVATION, GAINS
from bench.registry import refuse_unknown, unknown
from bench.schema import Unfit, UserError

Function = Callable[[Tensor], Tensor]

EDGE = 32.0  # beyond it the normal density is too small for a float64 sum
TOLERANCE = 1e-10  # of a moment, relative: far below the 1e-6 of the docstring
ROUNDING = 16  # of a moment, in units of the precision that the activation computes in
PANELS = 1 << 14  # that have not converged; with more, the integral does not exist or oscillates
NODES, WEIGHTS = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(16))


@neutral()
def gain(activation: Function | nn.Module, kind: str = "second_moment", q: float = 1.0) -> float:
    """The gain of an elementwise activation phi, for z ~ N(0, 1), to a relative error below 1e-6.

    "second_moment": 1 / sqrt(E[phi(sqrt(q) z)²] / q), so that weights of variance gain² / n_in keep the second moment q
    of the pre-activations (He et al. 2015 for relu: sqrt(2)). "critical": the sigma_w of the edge of chaos, where
    chi_1 = sigma_w² E[phi'(sqrt(q) z)²] is 1 at pre-activations of variance q (Schoenholz et al. 2017); that q is also
    the fixed point once biases have the deviation `critical_bias`. "variance": 1 / std(phi(sqrt(q) z)), sqrt(q)
    times it, which is the gamma of NF-nets (Brock et al. 2021): the mean is subtracted, so it is 1.713 for relu.
    torch's table has the same gains for relu and leaky_relu; its 5/3 for tanh is a convention (computed: 1.593 by
    the second moment, 1.467 at the edge of chaos), and so is its 3/4 for selu (computed: 1 by the second moment).

    `activation` maps a float64 tensor to one of its shape, value by value; derivatives are autograd's, so a jump counts
    with the slopes beside it. One that computes in float32 has a gain to 1e-5. Raises UserError for another kind, an
    activation that is not elementwise or fails, and a moment that is zero or not finite.
    """
    refuse_unknown("kind of gain", kind, KINDS)
    if isinstance(q, str) or not 0 < q < math.inf:
        raise UserError(
            f"pre-activations of variance q={q} carry no signal; give a positive, finite number such as 1.0"
        )
    moment = KINDS[kind](elementwise(activation), q)
    if not 0 < moment < math.inf:
        raise Unfit(
            f"this activation has no {kind} gain: the moment it divides by is {moment}, not positive and finite"
        )
    return 1 / math.sqrt(moment)


@neutral()
def critical_bias(activation: Function | nn.Module, q: float = 1.0) -> float:
    """The sigma_b of the edge of chaos: sigma_b² = q - sigma_w² E[phi(sqrt(q) z)²], sigma_w = gain(phi, "critical", q).

    With both, pre-activations of variance q keep it from layer to layer (Schoenholz et al. 2017, eq. 3).
    Raises UserError where there is no such sigma_b, because sigma_w alone makes them grow.
    """
    signal = gain(activation, "critical", q) ** 2 * expectation(square(elementwise(activation)), q)
    if signal > q * (1 + TOLERANCE):
        raise Unfit(f"no bias makes variance q={q} a critical fixed point: weights alone bring it to {signal:.4g}")
    return math.sqrt(q - signal) if signal < q * (1 - TOLERANCE) else 0.0


def resolved(arguments: Mapping[str, Any], activation: Function | nn.Module) -> dict[str, float]:
    """Numbers for those of an initializer's arguments that are words of `arguments.BY_ACTIVATION`.

    `gain` may be "auto" (second moment) or "critical", `bias_std` "critical". Raises UserError for another word.
    """
    numbers: dict[str, float] = {}
    for name, words in BY_ACTIVATION.items():
        if isinstance(word := arguments.get(name), str):
            if word not in words:
                raise UserError(f"{unknown(name, word, words)}, or a number")
            numbers[name] = gain(activation, GAINS[word]) if name == "gain" else critical_bias(activation)
    return numbers


def number(value: float | str, name: str = "gain") -> float:
    """The value if it is a number that a law can use, finite and not below 0; raises UserError otherwise."""
    if isinstance(value, str):
        raise UserError(
            f"{name}={value} depends on the activation, which is not known here; give a number, or name one"
        )
    if not 0 <= value < math.inf:
        raise UserError(f"{name}={value} is negative or not finite; give a number such as 1.0")
    return value


def expectation(function: Function, q: float = 1.0) -> float:
    """E[f(sqrt(q) z)], z ~ N(0, 1), by Gauss-Legendre on panels that are halved until halving changes nothing.

    Kinks and jumps cost panels, not digits. Infinite where the tails dominate the integral or it does not converge.
    """
    return integrated(function, q)[0]


def integrated(function: Function, q: float = 1.0) -> tuple[float, Tensor]:
    """The expectation, and the left edges (panels,) in z of the panels that it took, dense at kinks and jumps."""

    def integral(left: Tensor, width: Tensor) -> Tensor:
        z = left[:, None] + width[:, None] * (NODES + 1) / 2
        density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
        values = function(math.sqrt(q) * z.flatten()).detach().double().reshape(z.shape)
        return (values * density) @ WEIGHTS * width / 2

    precision = torch.finfo(function(NODES.clone()).dtype).eps
    tolerance = max(TOLERANCE, ROUNDING * precision)
    left, total, size = torch.arange(-EDGE, EDGE, dtype=torch.float64), 0.0, 0.0
    width = torch.ones_like(left)
    whole = integral(left, width)
    edges = left[:0]
    tails = float(whole[[0, -1]].abs().sum())
    while len(left) <= PANELS and bool(whole.isfinite().all()):
        left = torch.stack([left, left + width / 2])
        width = (width / 2).expand(2, -1)
        halves = integral(left.flatten(), width.flatten()).reshape(2, -1)
        allowed = tolerance * (size + float(halves.abs().sum()))
        converged = (halves.sum(0) - whole).abs() <= allowed / len(whole)
        edges = torch.cat([edges, left[0, converged]])
        total += float(halves[:, converged].sum())
        size += float(halves[:, converged].abs().sum())
        if converged.all():
            return (total if tails <= tolerance * size else math.inf), edges
        left, width, whole = (panels[:, ~converged].flatten() for panels in (left, width, halves))
    return math.inf, edges


def squared_slope(phi: Function, q: float = 1.0) -> float:
    """E[phi'(sqrt(q) z)²]."""
    return expectation(square(functools.partial(derivative, phi)), q)


def square(function: Function) -> Function:
    """The function whose values are the squares of this one's."""
    return lambda z: function(z).square()


def derivative(phi: Function, z: Tensor) -> Tensor:
    """phi'(z) by autograd: a jump has the slopes beside it. z is a leaf, and requires gradients afterwards."""
    values = phi(z.requires_grad_())
    slopes = torch.autograd.grad(values.sum(), z)[0] if values.requires_grad else torch.zeros_like(z)
    return slopes.to(values.dtype)


def elementwise(activation: Function | nn.Module) -> Function:
    """The activation on float64 tensors; raises UserError where it does not act value by value."""
    if isinstance(activation, nn.Module):
        with _explained():
            activation = _shared_slope(copy.deepcopy(activation).cpu().double().eval())
    phi = functools.partial(_values, activation)
    points = torch.linspace(-2, 2, 6, dtype=torch.float64)
    together, alone = phi(points), phi(points[:2])
    if together.shape != points.shape or not torch.allclose(together[:2], alone, equal_nan=True):
        raise Unfit("a gain needs an elementwise activation: one value out for one value in, whatever is beside it")
    return phi


def _values(activation: Function, z: Tensor) -> Tensor:
    """The activation of z as float64, or float32 where it computes in that; raises UserError where it fails."""
    with _explained():
        values = torch.as_tensor(activation(z.clone()))  # it may work in place
    if values.is_complex() or values.dtype in (torch.float16, torch.bfloat16):
        raise UserError(f"a gain needs an activation in float64 or float32, and this one computes in {values.dtype}")
    return values if values.is_floating_point() else values.double()


@contextmanager
def _explained() -> Iterator[None]:
    """Raises UserError for an error of the activation's code."""
    try:
        yield
    except Exception as error:
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"a gain needs an activation of one tensor, value by value, by functions of torch; this one fails: {cause}"
        ) from error


def _shared_slope(module: nn.Module) -> nn.Module:
    """The module with one slope in each PReLU whose channels all have the same."""
    for part in module.modules():
        if isinstance(part, nn.PReLU) and bool((part.weight == part.weight[:1]).all()):
            part.weight = nn.Parameter(part.weight[:1].detach())
    return module


KINDS: dict[str, Callable[[Function, float], float]] = {  # the moment that a gain divides by the root of
    "second_moment": lambda phi, q: expectation(square(phi), q) / q,
    "variance": lambda phi, q: expectation(square(phi), q) - expectation(phi, q) ** 2,
    "critical": squared_slope,
}
