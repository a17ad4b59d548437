"""What tuning changes: each arm at the shared value and at its own, and the pairs whose order turns.

In: rows, findings of blocks at both values, the rules of the study. Out: a Tuning. Touches: nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.machine.settings import Tune
from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, Pair
from bench.report.statistics.tuning import basin, expected_best
from bench.rows.tuning import SHARED, TUNED, Choice, arm_of, block_of, choices, is_tuning
from bench.schema import Row


@dataclass(frozen=True, eq=False)
class TunedArm:
    """An arm in a block, at the shared value and at the one that its tuning runs choose.

    choices: those of the block but the tuned one. value: None where nothing is chosen. expected: the validation
    accuracy of the best of k values of the grid, for k = 1, 2, ... basin: the lowest and the highest value around the
    best one whose score is within the margin of its score. on_edge: the best value is the last of the grid. runs: ids
    of its tuning runs.
    """

    choices: Mapping[str, Any]
    name: str
    shared: Arm | None
    tuned: Arm | None
    finding: Finding
    shared_value: float
    value: float | None
    scores: Mapping[float, float]
    expected: tuple[float, ...]
    basin: tuple[float, float] | None
    on_edge: bool
    runs: tuple[str, ...]

    @property
    def width(self) -> float | None:
        """The basin as a factor: its highest value over its lowest."""
        return self.basin[1] / self.basin[0] if self.basin else None

    @property
    def is_cut_off(self) -> bool:
        """Whether the basin reaches an end of the grid, and so perhaps beyond it."""
        return self.basin is not None and not {min(self.scores), max(self.scores)}.isdisjoint(self.basin)


@dataclass(frozen=True)
class Twice:
    """A pair of arms of a block at the shared value, and the same pair with each arm at its own."""

    choices: Mapping[str, Any]
    finding: Finding
    shared: Pair
    tuned: Pair

    @property
    def turns(self) -> bool:
        """Whether the arm with the higher mean over all its runs is another one once both are tuned."""
        return self.shared.of_all * self.tuned.of_all < 0

    @property
    def shown(self) -> bool:
        """Whether each of the two is shown to be better, one at the shared value, the other when tuned."""
        better = {self.shared.better, self.tuned.better}
        return self.shared.verdict == self.tuned.verdict == DIFFERENT and None not in better and len(better) > 1


@dataclass(frozen=True)
class Tuning:
    """What a study tuned, and what that changed.

    rows: those of its tuning runs. stray: those of other runs that have neither the shared value nor the chosen one.
    """

    tune: Tune
    rows: tuple[Row, ...]
    stray: tuple[Row, ...]
    grids: tuple[tuple[float, ...], ...]
    arms: tuple[TunedArm, ...]
    pairs: tuple[Twice, ...]
    failed: tuple[str, ...]

    @property
    def flips(self) -> list[Twice]:
        """The pairs whose order turns."""
        return [pair for pair in self.pairs if pair.turns]


def tuning(findings: Sequence[Finding], rows: Sequence[Row], tune: Tune) -> Tuning:
    """What the tuning rows choose, and what that changes of the findings. Raises UserError as `choices` does."""
    tried = [row for row in rows if is_tuning(row.choices, tune)]
    chosen = choices(tried, tune)
    ids: dict[tuple[str, str], list[str]] = {}
    for row in tried:
        ids.setdefault((block_of(row.choices, tune.key), arm_of(row.choices)), []).append(row.id)
    judged = {
        row.id
        for one in findings
        for rows in (one.block.arms, one.block.control)
        for mine in rows.values()
        for row in mine
    }
    blocks = list(_blocks(findings, tune))
    return Tuning(
        tune=tune,
        rows=tuple(tried),
        stray=tuple(row for row in rows if row.id not in judged and not is_tuning(row.choices, tune)),
        grids=tuple(sorted({one.grid for one in chosen.values()})),
        arms=tuple(arm for block in blocks for arm in _arms(*block, tune, chosen, ids)),
        pairs=tuple(pair for block in blocks for pair in _pairs(*block)),
        failed=tuple(row.id for one in chosen.values() for row in one.failed.values()),
    )


def _blocks(findings: Sequence[Finding], tune: Tune) -> Iterator[tuple[dict[str, Any], dict[str, Finding]]]:
    """The choices of each block but the tuned one, and its findings by TUNED and SHARED."""
    found: dict[str, tuple[dict[str, Any], dict[str, Finding]]] = {}
    for finding in findings:
        rest = {key: value for key, value in finding.choices.items() if key != tune.key}
        word = str(finding.arms[0].rows[0].choices[tune.key])
        found.setdefault(repr(rest), (rest, {}))[1][word] = finding
    yield from found.values()


def _arms(
    rest: dict[str, Any],
    both: Mapping[str, Finding],
    tune: Tune,
    chosen: Mapping[str, Choice],
    ids: Mapping[tuple[str, str], Sequence[str]],
) -> Iterator[TunedArm]:
    finding = both.get(SHARED) or both[TUNED]
    for one in finding.arms:
        block, key = block_of(one.rows[0].choices, tune.key), arm_of(one.rows[0].choices)
        choice = chosen.get(block)
        if choice is None or key not in {*choice.scores, *choice.failed}:
            continue
        scores = choice.scores.get(key, {}) if choice.complete else {}
        margin = finding.rules.margin.against(max(scores.values(), default=0.0), finding.resolution) / 100
        yield TunedArm(
            choices=rest,
            name=one.name,
            shared=both[SHARED].arm(one.name) if SHARED in both else None,
            tuned=both[TUNED].arm(one.name) if TUNED in both else None,
            finding=finding,
            shared_value=choice.shared,
            value=choice.values.get(key),
            scores=scores,
            expected=tuple(expected_best([*scores.values()])) if scores else (),
            basin=basin(scores, margin) if scores else None,
            on_edge=key in choice.edges,
            runs=tuple(ids[block, key]),
        )


def _pairs(rest: dict[str, Any], both: Mapping[str, Finding]) -> Iterator[Twice]:
    if SHARED in both and TUNED in both:
        for pair in both[SHARED].pairs:
            if tuned := both[TUNED].pair(pair.initializer, pair.other):
                yield Twice(rest, both[SHARED], pair, tuned)
