"""What to take in a block: the default, the arms that may be taken instead, and what each other arm costs.

In: the summary of a study. Out: Advice. Touches: nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import CLOSE, NEITHER, Pair
from bench.report.analysis.summary import Summary
from bench.report.analysis.tuning import TunedArm
from bench.report.statistics.tuning import basin
from bench.rows.tuning import SHARED, TUNED, score
from bench.schema import Row

SAME, EQUAL, OPEN = "equivalent", "equal in accuracy", "not shown to be worse"  # of an arm that may be taken
WORSE, LOST = "worse", "does not train"  # of one that may not
FEWER = 0.5  # an arm with fewer runs than this share of the most is not the default: its mean may be luck
PERCENT = 100.0


@dataclass(frozen=True)
class Width:
    """The basin of an arm as a factor: from its lowest to its highest value within the margin of the best.

    low and high: the least and the largest factor by a single tuning seed. cut_off: the basin reaches an end of the
    grid.
    """

    value: float
    low: float
    high: float
    cut_off: bool


@dataclass(frozen=True, eq=False)
class Candidate:
    """An arm of a block against the default. `pair`: its difference from the default; None for the default itself.

    word: how it stands to the default. value: the tuned value that its runs have; None where nothing was tuned.
    """

    arm: Arm
    pair: Pair | None
    word: str
    value: float | None
    width: Width | None

    @property
    def name(self) -> str:
        """The name of the arm."""
        return self.arm.name


@dataclass(frozen=True, eq=False)
class Advice:
    """What to take in one block of a study. `default` is None where no run trained.

    tuned: the arms are compared each at the value that its tuning runs choose; None where the study tunes nothing.
    """

    summary: Summary
    finding: Finding
    default: Candidate | None
    others: tuple[Candidate, ...]
    tuned: bool | None

    @cached_property
    def choices(self) -> dict[str, Any]:
        """What all runs of the block have in common: every choice but the initializer, the seed and a tuned value."""
        return common(self.finding.arms[0].rows[0], self.summary)

    @property
    def seeds(self) -> int:
        """The smallest number of ended runs of an arm."""
        return min(one.ended for one in self.finding.arms)

    @property
    def allowed(self) -> list[str]:
        """The arms that may be taken, the default first."""
        default = [self.default.name] if self.default else []
        return default + [one.name for one in self.others if one.word in (SAME, EQUAL, OPEN)]

    def enough(self, name: str) -> bool:
        """Whether an arm has enough runs to be the default: with fewer its mean may be luck."""
        return enough(self.finding, name, self.allowed)

    def with_word(self, *words: str) -> list[Candidate]:
        """The other arms that stand so to the default."""
        return [one for one in self.others if one.word in words]


def advice(summary: Summary) -> Iterator[Advice]:
    """The advice of each block of a study; of one that is tuned where it is complete, else at the shared value."""
    key = summary.tuning.tune.key if summary.tuning else ""
    complete = {repr(common(one.arms[0].rows[0], summary)) for one in summary.findings if _word(one, key) == TUNED}
    for finding in summary.findings:
        word = _word(finding, key)
        at_shared = word == SHARED and repr(common(finding.arms[0].rows[0], summary)) in complete
        if not at_shared:
            yield of_block(summary, finding, word == TUNED if key else None)


def of_block(summary: Summary, finding: Finding, tuned: bool | None = None, default: str | None = None) -> Advice:
    """The default is of the leading arms the one of that name, or with the highest mean over all runs, if of enough."""
    finding = summary.advised(finding)
    leading = finding.leading
    arms = [one for one in finding.arms if one.name in leading and enough(finding, one.name, leading)]
    best = max(arms, key=lambda one: (one.name == default, one.mean_of_all or 0.0), default=None)
    candidates = [_candidate(summary, finding, one, best, leading) for one in finding.arms]
    first = next((one for one in candidates if best and one.name == best.name), None)
    return Advice(summary, finding, first, tuple(one for one in candidates if one is not first), tuned)


def enough(finding: Finding, name: str, leading: Sequence[str]) -> bool:
    """Whether an arm has at least half of the runs of that leading arm which has most."""
    ended = {one.name: one.ended for one in finding.arms}
    return ended[name] >= FEWER * max(ended[each] for each in leading)


def common(row: Row, summary: Summary) -> dict[str, Any]:
    """The choices of a row without initializer, seed and, where a study tunes, the tuned value."""
    tuned = {summary.tuning.tune.key} if summary.tuning else set()
    return {
        key: value
        for key, value in row.choices.items()
        if key.partition(".")[0] not in ("initializer", "seed") and key not in tuned
    }


def _word(finding: Finding, key: str) -> Any:
    return finding.arms[0].rows[0].choices.get(key) if key else None


def _candidate(summary: Summary, finding: Finding, one: Arm, best: Arm | None, leading: Sequence[str]) -> Candidate:
    pair = finding.pair(one.name, best.name) if best and one.name != best.name else None
    tuned = _tuned(summary, finding, one.name)
    return Candidate(
        one, pair, standing(one, pair, leading), tuned.value if tuned else None, _width(summary, finding, tuned)
    )


def standing(one: Arm, pair: Pair | None, leading: Sequence[str]) -> str:
    """How an arm stands to the default, `pair` being its difference from it; `leading` are those that may be taken."""
    if not one.trained or (pair and pair.verdict == NEITHER):
        return LOST
    if one.name not in leading:
        return WORSE
    if pair is None:
        return OPEN
    return SAME if pair.close else EQUAL if pair.accuracy.verdict in CLOSE else OPEN


def _tuned(summary: Summary, finding: Finding, name: str) -> TunedArm | None:
    """What the tuning runs of an arm found in the block, which stands at the shared value and at the tuned one."""
    key = summary.tuning.tune.key if summary.tuning else ""
    rest = repr({column: value for column, value in finding.choices.items() if column != key})
    found = summary.tuning.arms if summary.tuning else ()
    return next((one for one in found if one.name == name and repr(dict(one.choices)) == rest), None)


def _width(summary: Summary, finding: Finding, tuned: TunedArm | None) -> Width | None:
    if tuned is None or tuned.basin is None or tuned.width is None or summary.tuning is None:
        return None
    key, ids = summary.tuning.tune.key, {*tuned.runs}
    by_seed: dict[Any, dict[float, float]] = {}
    for row in summary.tuning.rows:
        if row.id in ids and row.choices[key] in tuned.scores:
            by_seed.setdefault(row.choices["seed"], {})[row.choices[key]] = score(row)
    widths = [_factor(scores, finding) for scores in by_seed.values()]
    return Width(tuned.width, min(widths), max(widths), tuned.is_cut_off)


def _factor(scores: Mapping[float, float], finding: Finding) -> float:
    margin = finding.rules.margin.against(max(scores.values()), finding.resolution) / PERCENT
    low, high = basin(scores, margin)
    return high / low
