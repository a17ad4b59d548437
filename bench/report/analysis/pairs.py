"""Which arms of a block differ, which are equivalent, and which are undecided.

Runs are paired by seed, over the seeds where both converged. Two families of tests run over all pairs of the block,
each adjusted by Holm: "different" rejects a difference of 0, "equivalent" rejects a difference of the margin or more.
The level of each is ALPHA, or what a planned interim look may spend of it. When both reject, the difference is real but
smaller than the margin: it counts as equivalent, and p_holm shows the difference.

In: the accuracies of a block. Out: pairs with a verdict. Touches: nothing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from bench.report import statistics

DIFFERENT, EQUIVALENT, UNDECIDED = "different", "equivalent", "undecided"
ALPHA = 0.05
MARGIN_IMAGES = 10_000  # the test set that a margin is stated for (CIFAR-10's)

Accuracies = Mapping[Any, float]  # fraction of one arm, by seed


@dataclass(frozen=True)
class Pair:
    """The verdict on initializer - other, in percentage points; a number is None where too few seeds are shared."""

    initializer: str
    other: str
    seeds: int
    difference_points: float | None
    low_points: float | None
    high_points: float | None
    p: float | None
    p_holm: float | None
    equivalence_p: float | None
    equivalence_p_holm: float | None
    margin_points: float
    verdict: str

    @property
    def difference(self) -> float:
        """The difference in points, 0 where no seed is shared: its size and its sign, for sorting."""
        return self.difference_points or 0.0

    def turned(self) -> "Pair":
        """The same pair seen from the other arm."""
        return replace(
            self,
            initializer=self.other,
            other=self.initializer,
            difference_points=_negated(self.difference_points),
            low_points=_negated(self.high_points),
            high_points=_negated(self.low_points),
        )


def seen_from(arm: str, pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs of `arm`, each as the difference of `arm` from the other."""
    mine = [pair for pair in pairs if arm in (pair.initializer, pair.other)]
    return [pair if pair.initializer == arm else pair.turned() for pair in mine]


def scaled_margin(margin: float, test_images: int | None) -> float:
    """The margin in points, times sqrt(10000 / test_images) where the test set is smaller than 10,000 images.

    The binomial noise of an accuracy grows by that factor: on 360 images no study can see 0.3 points.
    """
    return margin * max(1.0, math.sqrt(MARGIN_IMAGES / test_images)) if test_images else margin


def digits(margin: float) -> int:
    """Decimals of a point that mean something: one image of 360 is 0.28 points, one of 10,000 is 0.01."""
    return 1 if margin >= 1 else 2


def compare(arms: Mapping[str, Accuracies], margin: float, resolution: float = 0.0, alpha: float = ALPHA) -> list[Pair]:
    """All pairs of `arms` in their order, but for arms without a converged run: those have nothing to compare.

    `margin` and `resolution` (one test image) in percentage points; `alpha` is the level of either family.
    """
    names = [name for name, accuracies in arms.items() if accuracies]
    return decide([_pair(ours, theirs, arms, margin, resolution) for ours, theirs in combinations(names, 2)], alpha)


def decide(family: Sequence[Pair], alpha: float = ALPHA) -> list[Pair]:
    """The pairs with their verdicts, Holm-adjusted over those of them that could be tested; none at an alpha of 0."""
    differs = iter(statistics.holm([pair.p for pair in family if pair.p is not None]))
    agrees = iter(statistics.holm([pair.equivalence_p for pair in family if pair.equivalence_p is not None]))
    return [
        pair if pair.p is None else _decide(pair, float(next(differs)), float(next(agrees)), alpha) for pair in family
    ]


def _pair(ours: str, theirs: str, arms: Mapping[str, Accuracies], margin: float, resolution: float) -> Pair:
    seeds = [seed for seed in arms[ours] if seed in arms[theirs]]
    left, right = ([100 * arms[name][seed] for seed in seeds] for name in (ours, theirs))
    if not seeds:
        return Pair(ours, theirs, 0, None, None, None, None, None, None, None, margin, UNDECIDED)
    found = statistics.paired_difference(left, right, resolution=resolution)
    close = statistics.equivalence(left, right, margin, resolution) if len(seeds) > 1 else None
    points = found.value, found.low, found.high
    return Pair(ours, theirs, len(seeds), *points, found.p, None, close, None, margin, UNDECIDED)


def _decide(pair: Pair, p: float, equivalence_p: float, alpha: float) -> Pair:
    verdict = EQUIVALENT if equivalence_p < alpha else DIFFERENT if p < alpha else UNDECIDED
    return replace(pair, p_holm=p, equivalence_p_holm=equivalence_p, verdict=verdict)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
