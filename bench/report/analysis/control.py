"""The hidden A/A arm: an initializer `again` draws another's law from a stream of its own, and no test should differ.

In: the blocks of a study. Out: the blocks with that arm set apart, and a Control. Touches: nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.arms import accuracies
from bench.report.analysis.blocks import Block
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair, compare
from bench.schema import DIVERGED, Row, UserError

AGAIN, OF = "again", "initializer.of"


@dataclass(frozen=True)
class Control:
    """The verdicts on arms that cannot differ: a pair in each block where the control has a twin.

    `of` are the initializers that it repeats. Each pair is a family of its own at the level of the study. `runs` and
    `diverged` count the runs of the control.
    """

    of: tuple[str, ...]
    pairs: tuple[tuple[Finding, Pair], ...]
    runs: int
    diverged: int
    alpha: float


def set_apart(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with their control arms under `control`; a block of control arms alone is dropped.

    Raises UserError where nothing else is left.
    """
    found = [
        replace(
            block,
            arms={name: rows for name, rows in block.arms.items() if not _is_control(rows)},
            control={name: rows for name, rows in block.arms.items() if _is_control(rows)},
        )
        for block in blocks
    ]
    if not any(block.arms for block in found):
        raise UserError(f"these rows have no initializer but {AGAIN}, a control; add the one that it repeats")
    return [block for block in found if block.arms]


def control(findings: Sequence[Finding]) -> Control | None:
    """The control of a study; None where there is none."""
    rows = [row for finding in findings for row in _rows(finding)]
    if not rows:
        return None
    return Control(
        of=tuple(sorted({str(row.choices[OF]) for row in rows})),
        pairs=tuple((finding, pair) for finding in findings for pair in _pairs(finding)),
        runs=len(rows),
        diverged=sum(row.status == DIVERGED for row in rows),
        alpha=findings[0].alpha,
    )


def _pairs(finding: Finding) -> Iterator[Pair]:
    """The control against each arm that it repeats in this block, where both have a mean."""
    rows = _rows(finding)
    for name in sorted({str(row.choices[OF]) for row in rows}):
        twins = [one for one in finding.arms if one.rows[0].choices["initializer"] == name]
        if len(twins) == 1:  # of two with other arguments it is unknown which one conf/ has
            ours = accuracies([row for row in rows if row.choices[OF] == name])
            theirs = accuracies(twins[0].rows)
            arms = {AGAIN: ours, twins[0].name: theirs}
            yield from compare(arms, finding.margin, finding.resolution, finding.alpha)


def _rows(finding: Finding) -> list[Row]:
    return [row for rows in finding.block.control.values() for row in rows]


def _is_control(rows: Sequence[Row]) -> bool:
    return bool(rows[0].choices["initializer"] == AGAIN)
