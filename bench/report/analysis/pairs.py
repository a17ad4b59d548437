"""Two arms of a block against each other: how often they train, how accurate they are, and the verdict on both.

Training rates are compared by Boschloo's exact test. Accuracies are compared over the seeds where both arms trained, if
there are five or more, by a paired t test; where an arm's values have two modes, by that and by sign changes, whichever
p is larger. Fewer seeds do not show two modes: all of one arm may fall into one, all of the other into the other.

Of each pair of arms the tests of both endpoints in all blocks are one family, adjusted by Holm, and times the number of
pairs of arms: so the chance of any false difference in a study is at most alpha, and the verdict on two arms depends on
their rows alone. Tests of equivalence are families of the same kind.

In: arms. Out: pairs with a verdict. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bench.report import statistics
from bench.report.analysis.arms import IMAGES, SEEDS, Arm, generator
from bench.report.analysis.rules import ENOUGH, Rules
from bench.report.statistics import Difference

DIFFERENT, WITHIN, EQUIVALENT = "different", "different, within the margin", "equivalent"
UNDECIDED, NEITHER = "undecided", "neither trains"
CLOSE = (WITHIN, EQUIVALENT)  # the verdicts that keep a difference within the margin
POINTS = 100.0
LEVELS = (0.95, 0.90)  # of the interval of a difference, and of that which belongs to its test of equivalence


@dataclass(frozen=True)
class Comparison:
    """The difference of two arms in one endpoint, in percentage points, with its tests; None where there is none.

    low and high: the 95 % interval. close_low and close_high: the 90 % interval, which belongs to the test of
    equivalence. The p-values of a verdict are the adjusted ones.
    """

    difference: float | None
    low: float | None
    high: float | None
    close_low: float | None
    close_high: float | None
    margin: float
    p: float | None
    equivalence_p: float | None
    p_adjusted: float | None = None
    equivalence_p_adjusted: float | None = None
    verdict: str = UNDECIDED

    @property
    def sign(self) -> int:
        """1, -1, or 0 where there is no difference."""
        return int(np.sign(self.difference or 0.0))

    def turned(self) -> "Comparison":
        """The same difference seen from the other arm."""
        return replace(
            self,
            difference=_negated(self.difference),
            low=_negated(self.high),
            high=_negated(self.low),
            close_low=_negated(self.close_high),
            close_high=_negated(self.close_low),
        )

    def decided(self, p: float | None, equivalence_p: float | None, alpha: float) -> "Comparison":
        """The same with the adjusted p-values and the verdict that they make."""
        differs, close = below(p, alpha), below(equivalence_p, alpha)
        verdict = (WITHIN if differs else EQUIVALENT) if close else DIFFERENT if differs else UNDECIDED
        return replace(self, p_adjusted=p, equivalence_p_adjusted=equivalence_p, verdict=verdict)


@dataclass(frozen=True)
class Pair:
    """The verdict on initializer - other. `seeds` are those where both trained; `covers`: what the intervals cover.

    of_all: the difference of the means over all ended runs, in points. equivalence_p_adjusted is of both endpoints
    together; close: whether it is below the level. look: the number of seeds at which the verdict became final, None
    while other runs may change it.
    """

    initializer: str
    other: str
    seeds: int
    covers: str
    accuracy: Comparison
    rate: Comparison
    of_all: float
    equivalence_p_adjusted: float | None = None
    verdict: str = UNDECIDED
    close: bool = False
    look: int | None = None

    @property
    def names(self) -> frozenset[str]:
        """The two arms, whichever comes first."""
        return frozenset((self.initializer, self.other))

    @property
    def rate_open(self) -> bool:
        """Whether the accuracies keep within the margin, but a difference in rate as large as its margin may be."""
        return self.accuracy.verdict in CLOSE and self.rate.verdict == UNDECIDED

    @property
    def better(self) -> str | None:
        """The arm that trains more often, or is more accurate, by a difference that is not within the margin.

        None without such a difference, and where the arm that trains more often is the less accurate one, or an arm is
        more accurate but, for it trains less often, not over all its runs.
        """
        signs = {one.sign for one in (self.rate, self.accuracy) if one.verdict == DIFFERENT}
        if len(signs) != 1 or self.of_all * sum(signs) < 0:
            return None
        return self.initializer if signs == {1} else self.other

    def turned(self) -> "Pair":
        """The same pair seen from the other arm."""
        return replace(
            self,
            initializer=self.other,
            other=self.initializer,
            accuracy=self.accuracy.turned(),
            rate=self.rate.turned(),
            of_all=-self.of_all,
        )


def seen_from(arm: str, pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs of `arm`, each as the difference of `arm` from the other."""
    mine = [pair for pair in pairs if arm in pair.names]
    return [pair if pair.initializer == arm else pair.turned() for pair in mine]


def compare(arms: Sequence[Arm], rules: Rules, resolution: float = 0.0) -> list[Pair]:
    """All pairs of arms in their order, not decided yet, but for arms of which no run has ended.

    `resolution` (one test image) in percentage points.
    """
    ended = [one for one in arms if one.ended]
    return [_pair(one, other, rules, resolution) for one, other in combinations(ended, 2)]


def decide(pairs: Sequence[Pair], alpha: float, families: int = 1) -> list[Pair]:
    """The pairs of a study with their verdicts, in their order; every verdict is undecided at an alpha of 0.

    A final pair keeps its verdict, and its tests count as rejected or as not to be rejected any more. `families`: how
    many pairs of arms the study compares, those without a result among them.
    """
    found: dict[frozenset[str], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        found[pair.names].append(place)
    decided = list(pairs)
    for places in found.values():
        for place, pair in zip(places, _decided([pairs[place] for place in places], families, alpha), strict=True):
            decided[place] = pair
    return decided


def below(p: float | None, alpha: float) -> bool:
    """Whether there is a p-value, and it is below alpha."""
    return p is not None and p < alpha


def _pair(ours: Arm, theirs: Arm, rules: Rules, resolution: float) -> Pair:
    seeds = [seed for seed in ours.by_seed if seed in theirs.by_seed]
    return Pair(
        initializer=ours.name,
        other=theirs.name,
        seeds=len(seeds),
        covers=covers(ours, theirs),
        accuracy=_accuracy(ours, theirs, seeds, rules, resolution),
        rate=_rate(ours, theirs, rules),
        of_all=POINTS * ((ours.mean_of_all or 0.0) - (theirs.mean_of_all or 0.0)),
        verdict=UNDECIDED if ours.trained or theirs.trained else NEITHER,
    )


def covers(ours: Arm, theirs: Arm) -> str:
    """What the interval of their difference covers."""
    return ours.covers if ours.covers == theirs.covers else SEEDS


def _accuracy(ours: Arm, theirs: Arm, seeds: Sequence[object], rules: Rules, resolution: float) -> Comparison:
    margin = rules.margin.against(max(ours.mean or 0.0, theirs.mean or 0.0), resolution)
    if not seeds:
        return Comparison(None, None, None, None, None, margin, None, None)
    values = [arm.answers if covers(ours, theirs) == IMAGES else arm.by_seed for arm in (ours, theirs)]
    left, right = (POINTS * np.array([one[seed] for seed in seeds]) for one in values)
    found = statistics.paired_difference(left, right, resolution)
    wide, narrow = (found.interval(level) for level in LEVELS)
    enough = len(seeds) >= ENOUGH
    p = _guarded(found, ours, theirs, seeds) if enough else None
    close = found.equivalence(margin) if enough and margin else None
    return Comparison(found.value, wide.low, wide.high, narrow.low, narrow.high, margin, p, close)


def _guarded(found: Difference, ours: Arm, theirs: Arm, seeds: Sequence[object]) -> float | None:
    """The p of the t test, which two modes would make too small: all seeds may fall the same way by chance."""
    if found.p is None or not (ours.modes or theirs.modes):
        return found.p
    return max(
        found.p, statistics.sign_flips([ours.by_seed[seed] - theirs.by_seed[seed] for seed in seeds], generator())
    )


def _rate(ours: Arm, theirs: Arm, rules: Rules) -> Comparison:
    counts = ours.trained, ours.ended, theirs.trained, theirs.ended
    wide, narrow = (statistics.newcombe(*counts, level).times(POINTS) for level in LEVELS)
    p, close = statistics.boschloo(*counts), statistics.rate_equivalence(*counts, rules.rate_margin)
    margin = POINTS * rules.rate_margin
    return Comparison(wide.value, wide.low, wide.high, narrow.low, narrow.high, margin, p, close)


def _decided(family: Sequence[Pair], families: int, alpha: float) -> list[Pair]:
    tests = [_tests(pair) for pair in family]
    differs = _adjusted([p for one in tests for p in one[:2]], families)
    accurate, rates, both = (_adjusted([one[place] for one in tests], families) for place in (2, 3, 4))
    return [
        pair
        if pair.look is not None
        else _with_verdict(
            pair,
            pair.accuracy.decided(differs[2 * place], accurate[place], alpha),
            pair.rate.decided(differs[2 * place + 1], rates[place], alpha),
            both[place],
            alpha,
        )
        for place, pair in enumerate(family)
    ]


def _tests(pair: Pair) -> tuple[float | None, ...]:
    """The p of both differences, of both equivalences, and of the equivalence in both endpoints."""
    ends = pair.accuracy, pair.rate
    if pair.look is None:
        close = [one.equivalence_p for one in ends]
        return *[one.p for one in ends], *close, _larger(*close)
    rejected = [one.verdict in (DIFFERENT, WITHIN) for one in ends] + [one.verdict in CLOSE for one in ends]
    return tuple(0.0 if one else 1.0 for one in [*rejected, pair.close])


def _with_verdict(pair: Pair, accuracy: Comparison, rate: Comparison, both: float | None, alpha: float) -> Pair:
    if pair.verdict == NEITHER and alpha:
        verdict = NEITHER
    elif DIFFERENT in (accuracy.verdict, rate.verdict):
        verdict = DIFFERENT
    elif accuracy.verdict == WITHIN or (below(both, alpha) and rate.verdict == WITHIN):
        verdict = WITHIN
    else:
        verdict = EQUIVALENT if below(both, alpha) else UNDECIDED
    close = below(both, alpha)
    return replace(pair, accuracy=accuracy, rate=rate, equivalence_p_adjusted=both, verdict=verdict, close=close)


def _adjusted(values: Sequence[float | None], families: int) -> list[float | None]:
    """Holm's p-values, times the number of families; a test that could not be made counts as one with p = 1."""
    found = statistics.holm([1.0 if value is None else value for value in values])
    return [None if value is None else min(1.0, families * float(p)) for value, p in zip(values, found, strict=True)]


def _larger(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
