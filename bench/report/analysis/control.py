"""The hidden A/A arm: an initializer `again` draws another's law from a stream of its own, and no test should differ.

In: the blocks of a study. Out: the blocks with that arm set apart, and a Control. Touches: nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.arms import Arm, arm
from bench.report.analysis.blocks import Block
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair, compare, decide
from bench.schema import Row, UserError

AGAIN, OF = "again", "initializer.of"


@dataclass(frozen=True)
class Control:
    """The verdicts on arms that cannot differ: a pair in each block where the control has a twin.

    `of` are the initializers that it repeats. Each pair is a family of its own at the level of the study. `runs` and
    `trained` count the runs of the control.
    """

    of: tuple[str, ...]
    pairs: tuple[tuple[Finding, Pair], ...]
    runs: int
    trained: int
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
    arms = [(finding, one) for finding in findings for one in _arms(finding)]
    if not arms:
        return None
    return Control(
        of=tuple(sorted({one.name for _, one in arms})),
        pairs=tuple((finding, pair) for finding, one in arms for pair in _pairs(finding, one)),
        runs=sum(one.runs for _, one in arms),
        trained=sum(one.trained for _, one in arms),
        alpha=findings[0].alpha,
    )


def _arms(finding: Finding) -> Iterator[Arm]:
    """The control runs of a block, an arm for each initializer that they repeat, by its name."""
    rows = [row for rows in finding.block.control.values() for row in rows]
    for name in sorted({str(row.choices[OF]) for row in rows}):
        yield arm(name, [row for row in rows if row.choices[OF] == name], finding.rules, finding.resolution / 100)


def _pairs(finding: Finding, again: Arm) -> list[Pair]:
    """The control against the arm that it repeats in this block; none where there are two of them.

    Of two with other arguments it is unknown which one conf/ has.
    """
    twins = [one for one in finding.arms if one.rows[0].choices["initializer"] == again.name]
    if len(twins) != 1:
        return []
    return decide(compare([replace(again, name=AGAIN), twins[0]], finding.rules, finding.resolution), finding.alpha)


def _is_control(rows: Sequence[Row]) -> bool:
    return bool(rows[0].choices["initializer"] == AGAIN)
