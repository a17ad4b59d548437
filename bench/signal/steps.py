"""A net as a list of steps, and what theory expects of each: the words of bench/signal/theory.py.

In: numbers. Out: descriptions. Touches: nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from torch import nn

from bench.parts.gain import Function
from bench.registry import unknown
from bench.schema import UserError

NORMS = ("batch", "layer", "rms")


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
