"""What theory expects of a net at initialization, step by step: second moment, correlation, gradients, and their bands.

`propagate(Given(...), steps)` takes a net as a list of steps and returns an `Expected` for each. Expectations are over
the weights, of layers that are wide.

Mean. After `Weights` a unit is normal with the second moment q = fan_in std² E[x²] + bias_std², and two inputs have the
cosine (fan_in std² E[x x'] + bias_std²) / q (Poole et al. 2016). A unit's law is carried as a population of units for
two inputs, so a rectified sum of branches, which is not normal, is followed too; means and cosines are right to 0.001.

Back. Weights multiply the second moment of gradients by fan_out std², an activation that of each unit by phi'²
(Schoenholz et al. 2017); a unit that is on in one block of a rectified residual net is likely on in the next, which
counts. Batch norm divides by the variance over the batch, q (1 - c): gradients of relu nets then grow by pi / (pi - 1)
per layer (Yang et al. 2019), those of others by a number of their own.

Band, to first order in 1 / width. Given the layer below, a layer's n units are independent, so their mean of phi(h)²
has the relative variance (E[phi^4] / E[phi²]² - 1) / n, for relu 5 / n. The layer above multiplies noise from below by
its elasticity, d log E[phi²] / d log q. So variances of logarithms add up with depth, and the logarithm is about
normal (for relu: Hanin & Rolnick 2018, Hanin & Nica 2019). In a residual net the same units feed every block, so a
unit's influences add up before they are squared. Going back, the relative variance is
(3 E[phi'^4] / E[phi'²]² - 1) / n, and E[phi'²] responds to the noise of q. Over a batch, two inputs' covariance takes
the place of the variance. Weights of kurtosis k add (k - 3) E[x^4] / (E[x²]² fan_in) to the 2 of a unit's square: of
order 1 / n² in the band, and left out. A band is too wide after layer norm, in a rectified residual stream and for
orthogonal weights, and too narrow where log variance and elasticity exceed 1.

A convolution has fan_in = channels x kernel, width = channels, and for inputs the images x positions. Zero padding
takes connections from the edges: give the mean number that is left, weighted by the signal's square at each position.
For kernel 3 that is channels (3 - 2 / side)² at first, and channels (1 + 2 cos(pi / (side + 1)))² in deep layers, where
the signal has gathered in the middle.

In: descriptions of the steps. Out: numbers. Touches: nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.parts.ambient import neutral
from bench.parts.gain import Function, derivative, elementwise
from bench.signal.steps import Activation, Batch, Estimate, Expected, Given, Norm, Residual, Step, Weights

UNITS = 1 << 14  # of the population
NONE = torch.zeros(2, UNITS, dtype=torch.float64, device="cpu")  # no influence
ERROR = 0.005  # relative, of the expectations themselves: it widens each band
STRETCH = 1.05  # of a finite difference: wide enough for a population, narrow enough for a slope


@dataclass(frozen=True)
class Signal:
    """A population of units for two inputs, (2, UNITS), and how far a net's second moment is from the population's.

    log second moment is off by the sum of each unit's `influence` / sqrt(width), and independently by `shared_noise`, a
    variance. In a residual branch, `source` is the influence of the units of its input, once weights have mixed them.
    """

    values: Tensor
    width: float
    influence: Tensor
    shared_noise: float
    source: Tensor | None

    @property
    def second_moment(self) -> float:
        """E[x²]."""
        return float(self.values.square().mean())

    @property
    def distance(self) -> float:
        """1 - cosine of the two inputs, to all its digits where they nearly agree."""
        return float((self.values[0] - self.values[1]).square().mean()) / (2 * self.second_moment or 1)

    @property
    def carried(self) -> Tensor:
        """The influence beyond that of a unit's own square: on the sizes of layers below it."""
        return self.influence - _sampled(self.values, self.width)


@dataclass(frozen=True)
class Passed:
    """A step that the signal has passed, and what a gradient meets on the way back.

    E[g²] is multiplied by `factor`, of each unit (2, UNITS) or of all; None where unknown. Its logarithm has the
    variance `gradient_noise`, and this `covariance` with what the step adds to log second moment. `elasticity` is
    d log second moment / d log that of the input, `response` is d log factor / d log that of the input.
    """

    step: Step
    before: Signal
    after: Signal
    elasticity: float
    factor: Tensor | float | None
    gradient_noise: float = 0.0
    response: float = 0.0
    covariance: float = 0.0
    branch: "tuple[Passed, ...]" = ()
    shortcut: "tuple[Passed, ...]" = ()


@dataclass(frozen=True)
class Gradient:
    """g² at the population's units, the variance of log E[g²], and d log E[g²] / d log second moment of the signal."""

    squares: Tensor
    noise: float = 0.0
    response: float = 0.0

    @property
    def mean(self) -> float:
        """E[g²]."""
        return float(self.squares.mean())


Paths = tuple[tuple[Expected, ...], tuple[Expected, ...]]  # branch and shortcut
START = Gradient(NONE + 1)


@neutral()
def propagate(start: Given, steps: Sequence[Step], batch: Batch | None = None) -> tuple[Expected, ...]:
    """What to expect of the start and after each step, if second moments are means over such a batch (one input).

    Raises UserError for an activation that is not elementwise.
    """
    batch, steps = batch or Batch(), (start, *steps)
    nothing = Signal(NONE, start.width, NONE, 0.0, NONE)
    return _backward(_forward(nothing, steps, _normals(sum(map(_draws, steps))), batch), START, batch, restart=True)[0]


def _forward(signal: Signal, steps: Sequence[Step], normals: Iterator[Tensor], batch: Batch) -> tuple[Passed, ...]:
    path: list[Passed] = []
    for step in steps:
        if isinstance(step, Residual):
            path.append(_residual(signal, step, normals, batch))
        elif isinstance(step, Given):
            path.append(Passed(step, signal, _given(step, next(normals)), 0.0, step.gradient))
        elif isinstance(step, Weights):
            path.append(_weighted(signal, step, next(normals), batch))
        elif isinstance(step, Norm):
            path.append(_normalized(signal, step, next(normals)))
        else:
            path.append(_activated(signal, step, batch))
        signal = path[-1].after
    return tuple(path)


def _backward(
    path: Sequence[Passed], gradient: Gradient | None, batch: Batch, restart: bool
) -> tuple[tuple[Expected, ...], Gradient | None]:
    """The expectations, and the gradient at the path's input; with `restart`, of mean 1 again where it is unknown."""
    expected: list[Expected] = []
    for one in reversed(path):
        estimate, signal = None, one.after
        if gradient is not None:
            noise = gradient.noise + gradient.response**2 * _noise(batch, signal)
            estimate = Estimate(gradient.mean, noise + ERROR**2)
        paths, gradient = _back(one, gradient, batch)
        moment, mean = Estimate(signal.second_moment, _noise(batch, signal) + ERROR**2), float(signal.values.mean())
        expected.append(Expected(one.step, moment, mean, 1 - signal.distance, estimate, *paths))
        gradient = START if gradient is None and restart else gradient
    return tuple(reversed(expected)), gradient


def _back(one: Passed, gradient: Gradient | None, batch: Batch) -> tuple[Paths, Gradient | None]:
    """What is expected in the step's branch and shortcut, and the gradient at its input."""
    if isinstance(one.step, Residual):
        return _parted(one, one.step.scale, gradient, batch)
    if gradient is None or one.factor is None:
        return ((), ()), None
    squares = gradient.squares if isinstance(one.factor, Tensor) else torch.full_like(gradient.squares, gradient.mean)
    noise = gradient.noise + gradient.response**2 * _added(one, batch) + one.gradient_noise
    noise = max(noise + 2 * gradient.response * one.covariance, 0.0)
    response = one.response + one.elasticity * gradient.response
    return ((), ()), Gradient(one.factor * squares, noise, response)


def _parted(one: Passed, scale: float, gradient: Gradient | None, batch: Batch) -> tuple[Paths, Gradient | None]:
    """The sum of the gradients of branch and shortcut, which the weights of the branch make independent."""
    common, scaled = None, None
    if gradient is not None:
        common = Gradient(gradient.squares, gradient.noise + gradient.response**2 * _added(one, batch))
        scaled = replace(common, squares=scale**2 * common.squares)
    branch, added = _backward(one.branch, scaled, batch, restart=False)
    shortcut, kept = _backward(one.shortcut, common, batch, restart=False)
    if gradient is None or common is None or added is None or kept is None:
        return (branch, shortcut), None
    share = added.mean / ((added.mean + kept.mean) or 1)
    noise = share**2 * (added.noise - common.noise) + (1 - share) ** 2 * (kept.noise - common.noise)
    noise += 4 * share * (1 - share) * batch.mean(1, batch.gradient_cosine**2) / one.before.width
    response = one.elasticity * gradient.response + share * added.response + (1 - share) * kept.response
    return (branch, shortcut), Gradient(added.squares + kept.squares, common.noise + noise, response)


def _variance(batch: Batch, influence: Tensor) -> float:
    """Of the mean over inputs; a population's error is about 0.001."""
    return max(batch.mean(*_products(influence, influence)), 0.0)


def _noise(batch: Batch, signal: Signal) -> float:
    """The variance of log second moment."""
    source = NONE if signal.source is None else signal.source
    return signal.shared_noise + _variance(batch, signal.influence) + _variance(batch, source)


def _added(one: Passed, batch: Batch) -> float:
    """What a step adds to the variance of log second moment."""
    return max(_noise(batch, one.after) - one.elasticity**2 * _noise(batch, one.before), 0.0)


def _given(step: Given, normals: Tensor) -> Signal:
    variance = step.second_moment - step.mean**2
    distance = step.second_moment * (1 - step.correlation) / (variance or 1)
    values = step.mean + math.sqrt(max(variance, 0.0)) * _correlated(normals, distance)
    return Signal(values, step.width, NONE, 0.0, NONE)


def _weighted(signal: Signal, step: Weights, normals: Tensor, batch: Batch) -> Passed:
    weighted = step.fan_in * step.std**2 * signal.second_moment
    q = weighted + step.bias_std**2
    share = weighted / (q or 1)
    values = math.sqrt(q) * _correlated(normals, share * signal.distance)
    mixed = 0.0 if signal.source is None else _variance(batch, signal.influence)
    source = share * (signal.influence if signal.source is None else signal.source)
    after = Signal(values, step.width, _sampled(values, step.width), share**2 * (signal.shared_noise + mixed), source)
    noise = batch.mean(2, 2 * batch.gradient_cosine**2) / signal.width
    return Passed(step, signal, after, share, step.fan_out * step.std**2, noise)


def _activated(signal: Signal, step: Activation, batch: Batch) -> Passed:
    phi = elementwise(step.function)

    def slope(x: Tensor) -> Tensor:
        return derivative(phi, x.clone()).double()

    values, factor = phi(signal.values).detach().double(), slope(signal.values).square()
    elasticity, response = (_elasticity(function, signal.values) for function in (phi, slope))
    source = None if signal.source is None else elasticity * signal.source
    sampled, units = _sampled(values, signal.width), _variance(batch, signal.influence)
    influence = sampled + elasticity * signal.carried
    after = Signal(values, signal.width, influence, elasticity**2 * signal.shared_noise, source)
    gates = factor / (float(factor.mean()) or 1)
    alone, pair = _products(gates, gates)
    noise = batch.mean(3 * (alone - 1), (1 + 2 * batch.gradient_cosine**2) * (pair - 1)) / signal.width
    # less what a gradient's response to the noise of the input counts
    noise = max(noise - response**2 * units, 0.0)
    covariance = batch.mean(*_products(sampled, gates)) / math.sqrt(signal.width) - elasticity * response * units
    return Passed(step, signal, after, elasticity, factor, noise, response, covariance)


def _elasticity(function: Function, x: Tensor) -> float:
    """d log E[f(x)²] / d log E[x²] as the scale of x changes: by a finite difference, so a jump counts."""
    more, less = (float(function(x * factor).detach().double().square().mean()) for factor in (STRETCH, 1 / STRETCH))
    return math.log(more / less) / (4 * math.log(STRETCH)) if more > 0 and less > 0 else 0.0


def _normalized(signal: Signal, step: Norm, normals: Tensor) -> Passed:
    """Batch norm takes away what inputs share, so that two of them are independent; the others keep each by itself."""
    mean = 0.0 if step.kind == "rms" else float(signal.values.mean())
    second = signal.second_moment
    variance = second * signal.distance if step.kind == "batch" else second - mean**2
    kept = normals if step.kind == "batch" else (signal.values - mean) / math.sqrt(variance or 1)
    after = Signal(step.scale * kept, signal.width, NONE, 0.0, None if signal.source is None else NONE)
    return Passed(step, signal, after, 0.0, step.scale**2 / (variance or 1), response=-1.0)


def _residual(signal: Signal, step: Residual, normals: Iterator[Tensor], batch: Batch) -> Passed:
    """The sum of two terms, independent but for what the input's units do to the sizes of both."""
    start = replace(signal, source=None)
    paths = [_forward(start, path, normals, batch) for path in (step.shortcut, step.branch)]
    kept, added = (path[-1].after if path else start for path in paths)
    values = kept.values + step.scale * added.values
    second = float(values.square().mean()) or 1.0
    shares = kept.second_moment / second, step.scale**2 * added.second_moment / second
    elasticity, noise, carried, source = 0.0, 0.0, NONE, NONE
    for path, term, share in zip(paths, (kept, added), shares, strict=True):
        own = math.prod(one.elasticity for one in path)
        elasticity += share * own
        noise += share**2 * max(term.shared_noise - own**2 * signal.shared_noise, 0.0)
        carried = carried + share * term.carried
        source = source + share * (NONE if term.source is None else term.source)
    if kept.source is None:  # the units of the sum are those of the input
        carried = carried + source
    elif signal.source is not None:
        noise += _variance(batch, source)
    below = elasticity * signal.source if signal.source is not None else None if kept.source is None else source
    noise += elasticity**2 * signal.shared_noise
    after = Signal(values, added.width, _sampled(values, added.width) + carried, noise, below)
    return Passed(step, signal, after, elasticity, None, branch=paths[1], shortcut=paths[0])


def _sampled(values: Tensor, width: float) -> Tensor:
    """The influence of a unit's own square on the log of their mean."""
    second = float(values.square().mean())
    return (values.square() / second - 1) / math.sqrt(width) if second else NONE


def _products(one: Tensor, other: Tensor) -> tuple[float, float]:
    """E[x_i y_i] and E[x_i y_j], for x = one and y = other, (2, UNITS)."""
    return float((one * other).mean()), float((one * other.flip(0)).mean())


def _correlated(normals: Tensor, distance: float) -> Tensor:
    """Two standard normals of correlation 1 - distance from two independent ones."""
    distance = min(max(distance, 0.0), 2.0)
    common, apart = math.sqrt(1 - distance / 2) * normals[0], math.sqrt(distance / 2) * normals[1]
    return torch.stack([common + apart, common - apart])


def _draws(step: Step) -> int:
    if isinstance(step, Residual):
        return sum(map(_draws, (*step.branch, *step.shortcut)))
    return 0 if isinstance(step, Activation) else 1


def _normals(pairs: int) -> Iterator[Tensor]:
    """Pairs of independent standard normals, (2, UNITS) each, by a scrambled Sobol sequence and its mirror image."""
    engine = torch.quasirandom.SobolEngine(2 * pairs, scramble=True, seed=0)  # type: ignore[no-untyped-call]
    points = engine.draw(UNITS // 2, dtype=torch.float64)
    half = torch.special.ndtri(points.clamp(1e-12, 1 - 1e-12)).T.reshape(pairs, 2, -1)
    for one, other in torch.cat([half, -half], 2):
        first = one / one.square().mean().sqrt()
        second = other - (first * other).mean() * first
        yield torch.stack([first, second / second.square().mean().sqrt()])
