"""Which arms of a block differ, which are equivalent, which nobody can tell apart yet.

Runs are paired by seed, over the seeds where both converged. Two families of tests run over all pairs of the block, each
adjusted by Holm: "different" rejects a difference of 0, "equivalent" rejects a difference of the margin or more. When both
reject, the difference is real but smaller than anyone asked about: it counts as equivalent, and p_holm still tells.

In: the accuracies and lines of a block. Out: pairs with a verdict, a verdict on the block. Touches: nothing.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from bench.report import statistics
from bench.report.tables import Line

DIFFERENT, EQUIVALENT, UNDECIDED = "different", "equivalent", "undecided"  # of a pair
MATTERS, NO_MATTER, NO_TRAINING, ALONE = (
    "matters",
    "does not matter",
    "nothing trains",
    "one arm",
)  # of a block, or UNDECIDED
ALPHA = 0.05
MARGIN_IMAGES = 10_000  # the test set that a margin is stated for (CIFAR-10's)

Accuracies = Mapping[Hashable, float]  # fraction of one arm, by seed


@dataclass(frozen=True)
class Pair:
    """The verdict on initializer - other. Points are percentage points; what fewer than two shared seeds cannot tell is None."""

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


def scaled_margin(margin: float, test_images: int | None) -> float:
    """The margin in points, times sqrt(10000 / test_images) where the test set is smaller than 10,000 images.

    The binomial noise of an accuracy grows by that factor: on 360 images no study can see 0.3 points.
    """
    return margin * max(1.0, math.sqrt(MARGIN_IMAGES / test_images)) if test_images else margin


def compare(arms: Mapping[str, Accuracies], margin: float, resolution: float = 0.0) -> list[Pair]:
    """All pairs of `arms` in their order, but for arms without a converged run: those have nothing to compare.

    `margin` and `resolution` (one test image) in percentage points.
    """
    names = [name for name, accuracies in arms.items() if accuracies]
    pairs = [_pair(ours, theirs, arms, margin, resolution) for ours, theirs in combinations(names, 2)]
    tested = [pair for pair in pairs if pair.p is not None]
    differs = statistics.holm([pair.p for pair in tested])
    agrees = statistics.holm([pair.equivalence_p for pair in tested])
    decided = {
        (pair.initializer, pair.other): _decide(pair, float(p), float(q))
        for pair, p, q in zip(tested, differs, agrees, strict=True)
    }
    return [decided.get((pair.initializer, pair.other), pair) for pair in pairs]


def _pair(ours: str, theirs: str, arms: Mapping[str, Accuracies], margin: float, resolution: float) -> Pair:
    seeds = [seed for seed in arms[ours] if seed in arms[theirs]]
    left, right = ([100 * arms[name][seed] for seed in seeds] for name in (ours, theirs))
    if not seeds:
        return Pair(ours, theirs, 0, None, None, None, None, None, None, None, margin, UNDECIDED)
    found = statistics.paired_difference(left, right, resolution=resolution)
    close = statistics.equivalence(left, right, margin, resolution) if len(seeds) > 1 else None
    points = found.value, found.low, found.high
    return Pair(ours, theirs, len(seeds), *points, found.p, None, close, None, margin, UNDECIDED)


def _decide(pair: Pair, p: float, equivalence_p: float) -> Pair:
    verdict = EQUIVALENT if equivalence_p < ALPHA else DIFFERENT if p < ALPHA else UNDECIDED
    return replace(pair, p_holm=p, equivalence_p_holm=equivalence_p, verdict=verdict)


def matters(lines: Sequence[Line], pairs: Sequence[Pair], chance: float | None) -> str:
    """Whether the initializer matters in a block: MATTERS, NO_MATTER, NO_TRAINING, UNDECIDED, or ALONE (one arm).

    It matters when two arms differ in accuracy, or in divergence: their intervals lie apart, a strict test (4 of 4 runs
    against 0 of 4 passes, 3 of 3 against 0 of 3 does not). It does not matter when every arm converged in every ended
    run and all pairs are equivalent. Nothing trains when every arm diverged in every run or stayed near chance.
    """
    if len(lines) < 2:
        return ALONE
    if all(line.diverged == line.runs or near_chance(line, chance) for line in lines):
        return NO_TRAINING
    if any(pair.verdict == DIFFERENT for pair in pairs) or divergence_differs(lines):
        return MATTERS
    settled = all(line.converged and not line.diverged for line in lines)
    return NO_MATTER if settled and all(pair.verdict == EQUIVALENT for pair in pairs) else UNDECIDED


def leader(lines: Sequence[Line]) -> Line | None:
    """The highest mean among the arms that never diverged, or among all where each diverged; None without a mean."""
    means = [line for line in lines if line.test_accuracy_mean is not None]
    steady = [line for line in means if not line.diverged]
    return max(steady or means, key=lambda line: line.test_accuracy_mean or 0.0, default=None)


def leading(lines: Sequence[Line], pairs: Sequence[Pair]) -> list[str]:
    """The leader and the arms that never diverged and are not shown to be worse than it."""
    best = leader(lines)
    if best is None:
        return []
    beaten = {
        name
        for pair in pairs
        for name in (pair.initializer, pair.other)
        if pair.verdict == DIFFERENT and best.initializer in (pair.initializer, pair.other)
    }
    steady = [line.initializer for line in lines if line.converged and not line.diverged]
    return [name for name in steady if name == best.initializer or name not in beaten]


def near_chance(line: Line, chance: float | None) -> bool:
    """Whether the mean accuracy is at most 1.5 times that of guessing one of the classes (`chance`, None if unknown)."""
    mean = line.test_accuracy_mean
    return chance is not None and mean is not None and mean <= 1.5 * chance


def divergence_differs(lines: Sequence[Line]) -> bool:
    """Whether the 95 % Wilson intervals of two divergence rates lie apart."""
    lows = [line.divergence_rate_low for line in lines if line.divergence_rate_low is not None]
    highs = [line.divergence_rate_high for line in lines if line.divergence_rate_high is not None]
    return bool(lows) and max(lows) > min(highs)
