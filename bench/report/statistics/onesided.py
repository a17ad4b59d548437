"""One-sided tests of a difference against a bound: of means of paired values, and of two rates.

In: paired differences, or counts. Out: p-values, an estimate, numbers of seeds. Touches: nothing.

`above(bound)` is the p of "the difference is `bound` or less": small means that it is larger. `below(bound)` is that of
"it is `bound` or more". `needed` is the number of seeds with which that test would be below a level.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from bench.report.statistics.comparisons import Difference
from bench.report.statistics.power import seeds_needed
from bench.report.statistics.rates import newcombe, rate_above, rate_below
from bench.report.statistics.sample import Estimate

Side = Literal["above", "below"]
MOST_RUNS = 400  # of an arm, up to which tables of more runs are tried out
STEPS = 12  # sizes that are tried out


class OneSided(Protocol):
    """A difference that can be held against a bound from either side."""

    @property
    def n(self) -> int:
        """The number of pairs, or of the runs of the smaller arm."""

    def estimate(self) -> Estimate:
        """The difference with its 95 % interval."""

    def p(self, side: Side, bound: float) -> float | None:
        """The p of the test on that side of a bound; None where there are too few runs for one."""

    def needed(self, side: Side, bound: float, level: float) -> int | None:
        """The seeds with which that p is expected below `level`; None where the estimate lies on the other side."""


@dataclass(frozen=True)
class Means:
    """A mean paired difference. `flips` guards its t test where values have two modes: p of sign changes at a bound."""

    difference: Difference
    flips: Callable[[float], float] | None = None

    @property
    def n(self) -> int:
        """The number of pairs."""
        return self.difference.n

    def estimate(self) -> Estimate:
        """The mean with its t interval."""
        return self.difference.interval()

    def p(self, side: Side, bound: float) -> float | None:
        """Of the one-sided t test, or of the sign changes where it is larger."""
        if self.difference.error is None:
            return None
        beyond = self._beyond(side, bound)
        p = self.difference.error.tail(beyond)
        if self.flips is None:
            return p
        both = self.flips(bound)
        return max(p, both / 2 if beyond > 0 else 1 - both / 2)

    def needed(self, side: Side, bound: float, level: float) -> int | None:
        """With a chance of 80 %, if the mean and the spread of the pairs stay as they are."""
        beyond, error = self._beyond(side, bound), self.difference.error
        if error is None or beyond <= 0 or error.runs <= 0:
            return None
        return seeds_needed(beyond, error.runs * self.n**0.5, 2 * level)

    def _beyond(self, side: Side, bound: float) -> float:
        return (self.difference.value - bound) * (1 if side == "above" else -1)


@dataclass(frozen=True)
class Rates:
    """The difference of two rates, ours / total - theirs / other_total."""

    ours: int
    total: int
    theirs: int
    other_total: int

    @property
    def n(self) -> int:
        """The runs of the smaller arm."""
        return min(self.total, self.other_total)

    def estimate(self) -> Estimate:
        """The difference with Newcombe's interval."""
        return newcombe(self.ours, self.total, self.theirs, self.other_total)

    def p(self, side: Side, bound: float) -> float:
        """Of the exact test."""
        test = rate_above if side == "above" else rate_below
        return test(self.ours, self.total, self.theirs, self.other_total, bound)

    def needed(self, side: Side, bound: float, level: float) -> int | None:
        """If the rates stay as they are; None too where MOST_RUNS runs would not do."""
        n = max(2, self.n)
        growth = max(1.01, (MOST_RUNS / n) ** (1 / STEPS))
        for size in sorted({round(n * growth**step) for step in range(STEPS + 1)}):
            counts = round(size * self.ours / self.total), size, round(size * self.theirs / self.other_total), size
            if size > n and Rates(*counts).p(side, bound) < level:
                return int(size)
        return None
