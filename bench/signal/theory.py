"""What theory expects of a net at initialization, step by step: second moment, correlation, gradients, and their bands.

`propagate(Given(...), steps)` takes a net as a list of steps and returns an `Expected` for each. Expectations are over
the weights, of layers that are wide.

Mean. After `Weights` a unit is normal with the second moment q = fan_in std² E[x²] + bias_std², and two inputs have the
cosine (fan_in std² E[x x'] + bias_std²) / q (Poole et al. 2016). A unit's law is carried as a population of units for
two inputs, so a rectified sum of branches, which is not normal, is followed too; means are right to about 0.1 %.

Back. Weights multiply the second moment of gradients by fan_out std², an activation that of each unit by phi'²
(Schoenholz et al. 2017); a unit that is on in one block of a rectified residual net is likely on in the next, which
counts. Batch norm divides by the variance over the batch, q (1 - c): gradients of relu nets then grow by
pi / (pi - 1) per layer (Yang et al. 2019), those of others by a number of their own.

Band, to first order in 1 / width. Given the layer below, a layer's n units are independent, so their mean of phi(h)² has
the relative variance (E[phi^4] / E[phi²]² - 1) / n, for relu 5 / n. The layer above multiplies noise from below by its
elasticity, d log E[phi²] / d log q. Going back, the relative variance is (3 E[phi'^4] / E[phi'²]² - 1) / n, and E[phi'²]
responds to the noise of q. So variances of logarithms add up with depth, and the logarithm is about normal (for relu:
Hanin & Rolnick 2018, Hanin & Nica 2019). Over a batch, two inputs' covariance takes the place of the variance. Weights
of kurtosis k add (k - 3) E[x^4] / (E[x²]² fan_in) to the 2 of a unit's square: of order 1 / n² in the band, and left
out. A band is too wide after layer norm and for orthogonal weights; it is too narrow where log variance exceeds 1 and
elasticity 1, and for branches that begin with an activation, as the same units pass it in each block.

A convolution has fan_in = channels x kernel; zero padding takes connections from the edges, so give the mean number
that is left. Its width is its channels: positions share weights, so the band is rather too wide.

In: descriptions of the steps. Out: numbers. Touches: nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from torch import Tensor, nn

from bench.parts.ambient import neutral
from bench.parts.gain import Function, derivative, elementwise
from bench.registry import unknown
from bench.schema import UserError

UNITS = 1 << 13  # of the population
NORMS = ("batch", "layer", "rms")
STRETCH = 1.05  # of a finite difference: wide enough for a population, narrow enough for a slope


@dataclass(frozen=True)
class Estimate:
    """A positive quantity: its mean over random nets, and the variance of its logarithm."""

    mean: float
    log_variance: float

    def band(self, share: float = 0.95) -> tuple[float, float]:
        """The interval that holds this share of the nets: lognormal with this mean, so its middle is below the mean."""
        half = NormalDist().inv_cdf((1 + share) / 2) * math.sqrt(self.log_variance)
        low, high = (min(side * half - self.log_variance / 2, 700.0) for side in (-1, 1))  # exp overflows at 710
        return self.mean * math.exp(low), self.mean * math.exp(high)


@dataclass(frozen=True)
class Given:
    """A signal as it is measured: the net's input, or what a step made that theory does not know (pooling, attention).

    `width` counts its independent units, `correlation` is the uncentered cosine of two inputs. `gradient` is E[g²] at
    the input of that step over E[g²] at its output, if it was measured too.
    """

    second_moment: float
    correlation: float
    width: float
    mean: float = 0.0
    gradient: float | None = None


@dataclass(frozen=True)
class Batch:
    """Of how many inputs the second moments are means, and the cosine of two inputs' gradients at the last step.

    That cosine (root mean square over pairs) falls on the way back, so bands of gradients are rather too wide.
    """

    inputs: float = 1.0
    gradient_cosine: float = 1.0

    def mean(self, alone: float, pair: float) -> float:
        """Over inputs i and j, of a product that is `alone` where i = j and `pair` elsewhere."""
        return alone / self.inputs + (1 - 1 / self.inputs) * pair


@dataclass(frozen=True)
class Weights:
    """A linear layer or a convolution whose weights have this std; width: its units or channels."""

    fan_in: float
    fan_out: float
    std: float
    width: float
    bias_std: float = 0.0


@dataclass(frozen=True)
class Activation:
    """An elementwise activation."""

    function: Function | nn.Module


@dataclass(frozen=True)
class Norm:
    """A normalization to second moment scale². Takes the mean and variance of a channel over the batch ("batch"), of a
    position or an input over many units ("layer"), or the second moment over many units ("rms").
    """

    kind: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in NORMS:
            raise UserError(unknown("norm of theory", self.kind, NORMS))


@dataclass(frozen=True)
class Residual:
    """shortcut(x) + scale branch(x): the sum alone; an activation after it is a step of its own.

    Raises UserError for a branch without weights, which is not independent of x.
    """

    branch: "Sequence[Step]"
    scale: float = 1.0
    shortcut: "Sequence[Step]" = ()

    def __post_init__(self) -> None:
        if not any(isinstance(step, Weights | Given) for step in self.branch):
            raise UserError(
                "theory needs weights in a residual branch: without them it is not independent of its input"
            )


Step = Weights | Activation | Norm | Residual | Given


@dataclass(frozen=True)
class Expected:
    """What theory expects of a step's output.

    `gradient` is E[g²] there over E[g²] at the last step of the net, or before the next one whose gradient is unknown;
    None from the input of the residual branch of such a step up to it.
    """

    step: Step
    second_moment: Estimate
    mean: float
    correlation: float
    gradient: Estimate | None
    branch: "tuple[Expected, ...]" = ()
    shortcut: "tuple[Expected, ...]" = ()


@dataclass(frozen=True)
class Signal:
    """A population of units for two inputs, (2, UNITS), and how far a net's second moment is from the population's.

    The variance of log second moment is `scale_noise`, which all units share, plus `unit_noise`, as they are few.
    """

    values: Tensor
    width: float
    scale_noise: float = 0.0
    unit_noise: float = 0.0

    @property
    def second_moment(self) -> float:
        """E[x²]."""
        return float(self.values.square().mean())

    @property
    def noise(self) -> float:
        """The variance of log second moment."""
        return self.scale_noise + self.unit_noise

    @property
    def distance(self) -> float:
        """1 - cosine of the two inputs, to all its digits where they nearly agree."""
        return float((self.values[0] - self.values[1]).square().mean()) / (2 * self.second_moment or 1)

    def spread(self, batch: Batch) -> float:
        """Relative variance of a unit's x², as a mean over inputs."""
        relative = self.values.square() / (self.second_moment or 1)
        return batch.mean(*_products(relative, relative)) - (self.second_moment > 0)


@dataclass(frozen=True)
class Passed:
    """A step that the signal has passed, and what a gradient meets on the way back.

    E[g²] is multiplied by `factor`, of each unit (2, UNITS) or of all; None where unknown. Its logarithm has the
    variance `gradient_noise`, and the covariance `shared` with the noise that the step adds to the signal. `elasticity`
    is d log second moment / d log that of the input, `response` d log factor / d log that of the input.
    """

    step: Step
    before: Signal
    after: Signal
    elasticity: float
    factor: Tensor | float | None
    gradient_noise: float = 0.0
    response: float = 0.0
    shared: float = 0.0
    branch: "tuple[Passed, ...]" = ()
    shortcut: "tuple[Passed, ...]" = ()

    @property
    def noise(self) -> float:
        """What the step adds to the variance of log second moment."""
        return max(self.after.noise - self.elasticity**2 * self.before.noise, 0.0)


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
START = Gradient(torch.ones(2, UNITS, dtype=torch.float64))


@neutral()
def propagate(start: Given, steps: Sequence[Step], batch: Batch | None = None) -> tuple[Expected, ...]:
    """What to expect after each step, if second moments are means over this many inputs.

    Raises UserError for an activation that is not elementwise.
    """
    batch, normals = batch or Batch(), _normals(1 + sum(map(_draws, steps)))
    passed = _forward(_given(start, next(normals)), steps, normals, batch)
    return _backward(passed, START, batch, restart=True)[0]


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
            estimate = Estimate(gradient.mean, gradient.noise + gradient.response**2 * signal.noise)
        paths, gradient = _back(one, gradient, batch)
        moment, mean = Estimate(signal.second_moment, signal.noise), float(signal.values.mean())
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
    noise = gradient.noise + gradient.response**2 * one.noise + one.gradient_noise + 2 * gradient.response * one.shared
    response = one.response + one.elasticity * gradient.response
    return ((), ()), Gradient(one.factor * squares, max(noise, 0.0), response)


def _parted(one: Passed, scale: float, gradient: Gradient | None, batch: Batch) -> tuple[Paths, Gradient | None]:
    """The sum of the gradients of branch and shortcut, which the weights of the branch make independent."""
    common, scaled = None, None
    if gradient is not None:
        common = Gradient(gradient.squares, gradient.noise + gradient.response**2 * one.noise)
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


def _given(step: Given, normals: Tensor) -> Signal:
    variance = step.second_moment - step.mean**2
    distance = step.second_moment * (1 - step.correlation) / (variance or 1)
    return Signal(step.mean + math.sqrt(max(variance, 0.0)) * _correlated(normals, distance), step.width)


def _weighted(signal: Signal, step: Weights, normals: Tensor, batch: Batch) -> Passed:
    weighted = step.fan_in * step.std**2 * signal.second_moment
    q = weighted + step.bias_std**2
    share = weighted / (q or 1)
    after = Signal(math.sqrt(q) * _correlated(normals, share * signal.distance), step.width, share**2 * signal.noise)
    after = replace(after, unit_noise=after.spread(batch) / step.width)
    noise = batch.mean(2, 2 * batch.gradient_cosine**2) / signal.width
    return Passed(step, signal, after, share, step.fan_out * step.std**2, noise)


def _activated(signal: Signal, step: Activation, batch: Batch) -> Passed:
    phi = elementwise(step.function)

    def slope(x: Tensor) -> Tensor:
        return derivative(phi, x.clone()).double()

    values, factor = phi(signal.values).double(), slope(signal.values).square()
    elasticity, response = (_elasticity(function, signal.values) for function in (phi, slope))
    after = Signal(values, signal.width, elasticity**2 * signal.scale_noise)
    # what the noise of the inputs' second moment explains counts once: all of it, but for a norm's output
    known = elasticity**2 * (signal.spread(batch) / signal.width - signal.unit_noise)
    after = replace(after, unit_noise=max(after.spread(batch) / signal.width - known, 0.0))
    relative, gates = values.square() / (after.second_moment or 1), factor / (float(factor.mean()) or 1)
    alone, pair = _products(gates, gates)
    noise = batch.mean(3 * (alone - 1), (1 + 2 * batch.gradient_cosine**2) * (pair - 1)) / signal.width
    noise = max(noise - response**2 * signal.unit_noise, 0.0)
    shared = (batch.mean(*_products(relative, gates)) - 1) / signal.width - elasticity * response * signal.unit_noise
    return Passed(step, signal, after, elasticity, factor, noise, response, shared)


def _elasticity(function: Function, x: Tensor) -> float:
    """d log E[f(x)²] / d log E[x²] as the scale of x changes: by a finite difference, so a jump counts."""
    more, less = (float(function(x * factor).double().square().mean()) for factor in (STRETCH, 1 / STRETCH))
    return math.log(more / less) / (4 * math.log(STRETCH)) if more > 0 and less > 0 else 0.0


def _normalized(signal: Signal, step: Norm, normals: Tensor) -> Passed:
    """Batch norm takes away what inputs share, so that two of them are independent; the others keep each by itself."""
    mean = 0.0 if step.kind == "rms" else float(signal.values.mean())
    second = signal.second_moment
    variance = second * signal.distance if step.kind == "batch" else second - mean**2
    kept = normals if step.kind == "batch" else (signal.values - mean) / math.sqrt(variance or 1)
    after = Signal(step.scale * kept, signal.width)
    return Passed(step, signal, after, 0.0, step.scale**2 / (variance or 1), response=-1.0)


def _residual(signal: Signal, step: Residual, normals: Iterator[Tensor], batch: Batch) -> Passed:
    """The sum of two independent terms, but that the size of each follows that of the input by its elasticity."""
    shortcut = _forward(signal, step.shortcut, normals, batch)
    branch = _forward(signal, step.branch, normals, batch)
    kept, added = (path[-1].after if path else signal for path in (shortcut, branch))
    terms = kept.values, step.scale * added.values
    second = float((terms[0] + terms[1]).square().mean()) or 1.0
    shares = [float(term.square().mean()) / second for term in terms]
    elasticities = [math.prod(one.elasticity for one in path) for path in (shortcut, branch)]
    elasticity = shares[0] * elasticities[0] + shares[1] * elasticities[1]
    noises = [one.noise - own**2 * signal.noise for one, own in zip((kept, added), elasticities, strict=True)]
    product = terms[0] * terms[1] / second
    cross = 4 * (batch.mean(*_products(product, product)) - float(product.mean()) ** 2) / added.width
    total = elasticity**2 * signal.noise + shares[0] ** 2 * noises[0] + shares[1] ** 2 * noises[1] + cross
    after = Signal(terms[0] + terms[1], added.width)
    unit_noise = min(after.spread(batch) / added.width, total)
    after = replace(after, scale_noise=total - unit_noise, unit_noise=unit_noise)
    return Passed(step, signal, after, elasticity, None, branch=branch, shortcut=shortcut)


def _products(one: Tensor, other: Tensor) -> tuple[float, float]:
    """E[x_i y_i] and E[x_i y_j], for x = one and y = other, (2, UNITS)."""
    return float((one * other).mean()), float((one * other.flip(0)).mean())


def _correlated(normals: Tensor, distance: float) -> Tensor:
    """Two standard normals of correlation 1 - distance from two independent ones."""
    distance = min(max(distance, 0.0), 2.0)
    common, apart = math.sqrt(1 - distance / 2) * normals[0], math.sqrt(distance / 2) * normals[1]
    return torch.stack([common + apart, common - apart])


def _draws(step: Step) -> int:
    return sum(map(_draws, (*step.branch, *step.shortcut))) if isinstance(step, Residual) else 1


def _normals(pairs: int) -> Iterator[Tensor]:
    """Pairs of independent standard normals, (2, UNITS) each, by a scrambled Sobol sequence and its mirror image."""
    engine = torch.quasirandom.SobolEngine(2 * pairs, scramble=True, seed=0)  # type: ignore[no-untyped-call]
    points = engine.draw(UNITS // 2, dtype=torch.float64)
    half = torch.special.ndtri(points.clamp(1e-12, 1 - 1e-12)).T.reshape(pairs, 2, -1)
    for one, other in torch.cat([half, -half], 2):
        first = one / one.square().mean().sqrt()
        second = other - (first * other).mean() * first
        yield torch.stack([first, second / second.square().mean().sqrt()])
