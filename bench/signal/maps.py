"""Mean-field maps of wide nets: how length and correlation go from layer to layer, for any elementwise activation.

A layer is h' = W phi(h) + b, W ~ N(0, gain² / n_in), b ~ N(0, bias_std²). In a wide net each unit of h is N(0, q), and
two inputs' units have the correlation c: the second moment and the uncentered cosine (Poole et al. 2016, Schoenholz et
al. 2017). Integrals are right to 1e-8, kinks and jumps at any place included; `gain` here is sigma_w.

In: an activation, its gain, the deviation of the biases. Out: numbers. Touches: nothing; a module is copied.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy import optimize
from torch import Tensor, nn

from bench.parts.ambient import neutral
from bench.parts.gain import (
    NODES,
    WEIGHTS,
    Function,
    critical_bias,
    derivative,
    elementwise,
    expectation,
    gain,
    integrated,
    square,
    squared_slope,
)

TINY = 1e-12  # the q that stands for the limit q -> 0: a kink at 0 has no slope of its own
LENGTHS = [10 ** (power / 4) for power in range(-24, 25)]  # where fixed points are looked for
SAME = 1e-9  # relative: below it two lengths are one
REACH = 12.0  # deviations: an activation that grows like a polynomial has no moment beyond


@dataclass(frozen=True)
class FixedPoint:
    """A value that a map keeps, and the map's slope there: it draws neighbours in where |slope| < 1."""

    value: float
    slope: float


@dataclass(frozen=True)
class Critical:
    """A point of the critical line: with this gain and bias_std, q is a fixed point with chi 1."""

    q: float
    gain: float
    bias_std: float


@dataclass(frozen=True)
class DepthScales:
    """Layers in which a distance from the fixed point falls by e; negative: grows; inf: as a power of depth, if at all.

    `length` of q from q*, `correlation` of c from c*, `gradient` of the second moment of gradients, going back.
    """

    length: float
    correlation: float
    gradient: float


@dataclass(frozen=True)
class MeanField:
    """The maps of one activation, gain and bias_std; each raises UserError if the activation is not elementwise."""

    activation: Function | nn.Module
    gain: float
    bias_std: float = 0.0

    @functools.cached_property
    def phi(self) -> Function:
        """The activation on float64 tensors."""
        with neutral():
            return elementwise(self.activation)

    @neutral()
    def length(self, q: float) -> float:
        """V(q) = gain² E[phi(sqrt(q) z)²] + bias_std²: the second moment q of the next layer."""
        return self.gain**2 * expectation(square(self.phi), q) + self.bias_std**2

    @neutral()
    def length_slope(self, q: float) -> float:
        """V'(q) = gain² E[phi(sqrt(q) z)² (z² - 1)] / 2q: by parts, so kinks and jumps count in full."""
        q = max(q, TINY)
        return self.gain**2 * expectation(lambda x: self.phi(x).square() * (x.square() / q - 1), q) / (2 * q)

    @neutral()
    def lengths(self) -> tuple[FixedPoint, ...]:
        """The fixed points q* between 1e-6 and 1e6, and 0 if it is one, with rising q. None: lengths grow for ever.

        Where every q is a fixed point (relu at gain sqrt(2), without biases), q = 1 stands for all.
        """

        def growth(exponent: float) -> float:
            q = math.exp(exponent)
            return min(self.length(q) / q - 1, 1.0)

        exponents = [math.log(q) for q in LENGTHS]
        grown = [growth(one) for one in exponents]
        if max(map(abs, grown)) < SAME:
            return (FixedPoint(1.0, 1.0),)
        zero = [FixedPoint(0.0, self.length_slope(0.0))] if self.length(0.0) == 0 else []
        steps = itertools.pairwise(zip(exponents, grown, strict=True))
        found = [
            math.exp(_root(growth, low, high)) for (low, one), (high, other) in steps if (one >= 0) != (other >= 0)
        ]
        return *zero, *(FixedPoint(q, self.length_slope(q)) for q in found)

    @neutral()
    def chi(self, q: float) -> float:
        """gain² E[phi'(sqrt(q) z)²]: the growth per layer of a gradient's second moment, by autograd.

        It is also the slope of the correlation map at c = 1, unless phi jumps (see correlation_slope).
        """
        return self.gain**2 * squared_slope(self.phi, max(q, TINY))

    @neutral()
    def correlation(self, c: float, q: float) -> float:
        """C(c) = (gain² E[phi(u) phi(v)] + bias_std²) / V(q), u and v of second moment q and correlation c."""
        q = max(q, TINY)
        return (self.gain**2 * pair(self.phi, q, c) + self.bias_std**2) / self.length(q)

    @neutral()
    def correlation_slope(self, c: float, q: float) -> float:
        """C'(c) = gain² q E[phi'(u) phi'(v)] / V(q); infinite at c = 1 where phi jumps."""
        q = max(q, TINY)
        return self.gain**2 * pair_slope(self.phi, q, c) / self.length(q)

    @neutral()
    def correlations(self, q: float) -> tuple[FixedPoint, ...]:
        """The fixed points c* in [0, 1] at the fixed point q, with rising c; the first draws other c in.

        C is a power series in c with coefficients that are not negative (Daniely et al. 2016), so it is convex there:
        below 1 it has one fixed point if its slope at 1 is above 1, and none otherwise.
        """
        one = FixedPoint(1.0, self.correlation_slope(1.0, q))
        if one.slope <= 1 + SAME:
            return (one,)
        near = (1 - 10.0**-digits for digits in range(1, 10))
        below = next((c for c in near if self.correlation(c, q) < c), None)
        if below is None:  # closer to 1 than the integrals can tell
            return (one,)
        c = _root(lambda c: self.correlation(c, q) - c, 0.0, below)
        return FixedPoint(c, self.correlation_slope(c, q)), one

    def depth_scales(self, q: float) -> DepthScales:
        """xi_q, xi_c at the c* that draws inputs in, and xi_grad, at the fixed point q (Schoenholz et al. 2017)."""
        return DepthScales(_depth(self.length_slope(q)), _depth(self.correlations(q)[0].slope), _depth(self.chi(q)))


def critical_line(activation: Function | nn.Module, lengths: Sequence[float]) -> tuple[Critical, ...]:
    """The critical line's points at these q > 0; a q that no bias makes a fixed point is left out."""
    points = []
    for q in lengths:
        weight = _critical_gain(activation, q)
        if weight is not None and MeanField(activation, weight).length(q) <= q * (1 + SAME):
            points.append(Critical(q, weight, critical_bias(activation, q)))
    return tuple(points)


def critical_at(activation: Function | nn.Module, bias_std: float) -> Critical | None:
    """The critical line's point of smallest q with this bias_std, or None; q 0 is the limit q -> 0, without biases."""

    def growth(q: float) -> float:
        weight = _critical_gain(activation, q)
        return math.nan if weight is None else MeanField(activation, weight, bias_std).length(q) / q - 1

    if bias_std == 0 and MeanField(activation, 1.0).length(0.0) == 0 and (weight := _critical_gain(activation, TINY)):
        return Critical(0.0, weight, 0.0)
    for low, high in itertools.pairwise(LENGTHS):
        if growth(low) * growth(high) < 0:
            q = _root(growth, low, high)
            return Critical(q, gain(activation, "critical", q), bias_std)
    return None


def _critical_gain(activation: Function | nn.Module, q: float) -> float | None:
    """None where phi is flat at this q. Raises UserError for an activation that is not elementwise."""
    slope = MeanField(activation, 1.0).chi(q)
    return slope**-0.5 if 0 < slope < math.inf else None


@neutral()
def pair(phi: Function, q: float, c: float) -> float:
    """E[phi(u) phi(v)], u and v ~ N(0, q) of correlation c; to 1e-8, relative to E[phi²], with kinks and jumps.

    For an activation that grows at most like a polynomial.
    """
    if abs(c) == 1:
        return expectation(lambda x: phi(x) * phi(c * x), q)
    return _smoothed_pair(phi, q, c, torch.ones_like)


@neutral()
def pair_slope(phi: Function, q: float, c: float) -> float:
    """The derivative in c of `pair`, q E[phi'(u) phi'(v)], -1 < c <= 1: by parts, and by autograd at c = 1."""
    if c == 1:
        return math.inf if jumps(phi, q) else q * squared_slope(phi, q)
    return _smoothed_pair(phi, q, c, lambda z: z) / (1 - abs(c))


def _smoothed_pair(phi: Function, q: float, c: float, weight: Function) -> float:
    """E[g(w) g(sign(c) w)], g(w) = E[phi(sqrt(q) (sqrt|c| w + sqrt(1 - |c|) z)) weight(z)], w and z ~ N(0, 1).

    u and v are independent once their common part w is known; g is smooth whatever phi is. With weight z, g is
    sqrt(1 - |c|) sqrt(q) E[phi'] (Stein's identity).
    """
    edges = integrated(square(phi), q)[1]
    edges = edges[edges.abs() < REACH]

    def g(w: Tensor) -> Tensor:
        return _smoothed(phi, math.sqrt(q), math.sqrt(abs(c)) * w, math.sqrt(1 - abs(c)), edges, weight)

    def product(w: Tensor) -> Tensor:
        inside = w[w.abs() <= REACH]
        once = g(inside)
        return torch.zeros_like(w).masked_scatter(w.abs() <= REACH, once * (once if c >= 0 else g(-inside)))

    return expectation(product)


def _smoothed(phi: Function, size: float, center: Tensor, spread: float, edges: Tensor, weight: Function) -> Tensor:
    """E[phi(size (center + spread z)) weight(z)] for each center: Gauss-Legendre between the edges that resolve phi."""
    base = torch.arange(-REACH, REACH + 1, 4, dtype=torch.float64).expand(len(center), -1)
    local = ((edges - center[:, None]) / spread).clamp(-REACH, REACH)
    left = torch.cat([base, local], 1).sort(1).values
    width = left.diff(dim=1)[..., None]
    z = left[:, :-1, None] + width * (NODES + 1) / 2
    values = phi((size * (center[:, None, None] + spread * z)).flatten()).detach().double().reshape(z.shape)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return ((values * weight(z) * density) @ WEIGHTS * width[..., 0] / 2).sum(1)


def jumps(phi: Function, q: float) -> bool:
    """Whether phi jumps where N(0, q) is: E[phi'(x) g(x)], g = exp(z / 2), then differs by autograd and by parts."""
    size = math.sqrt(q)
    slopes = expectation(lambda x: derivative(phi, x) * torch.exp(x / size / 2), q) * size
    by_parts = expectation(lambda x: phi(x) * (x / size - 0.5) * torch.exp(x / size / 2), q)
    return abs(slopes - by_parts) > 1e-6 * math.sqrt(expectation(square(phi), q))


def _depth(slope: float) -> float:
    """Layers in which slope^depth falls by e: -1 / log |slope|."""
    if slope == 0 or math.isinf(slope):
        return 0.0 if slope == 0 else -0.0
    return math.inf if abs(abs(slope) - 1) < SAME else -1 / math.log(abs(slope))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-12))
