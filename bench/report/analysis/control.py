"""The hidden A/A arm: an initializer `again` draws another's law from a stream of its own, and no test should tell.

In: the blocks of a study with all their arms. Out: the blocks without that arm, and a Control. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report.analysis import pairs as decisions
from bench.report.analysis.arms import accuracies
from bench.report.analysis.blocks import Block
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED, Pair
from bench.schema import DIVERGED, Row, UserError

AGAIN, OF = "again", "initializer.of"


@dataclass(frozen=True)
class Control:
    """What the tests say of arms that cannot differ. `pairs` has one entry per entry of `blocks`, the names of those.

    Each pair is a family of its own at the level of the study. `runs` and `diverged` count the runs of the control.
    """

    of: tuple[str, ...]
    blocks: tuple[str, ...]
    pairs: tuple[Pair, ...]
    runs: int
    diverged: int
    sentence: str


def apart(blocks: Sequence[Block]) -> tuple[list[Block], list[list[Row]]]:
    """The blocks without their control arms, and the rows of the control of each; a block of control alone is dropped.

    Raises UserError where nothing else is left.
    """
    kept = [
        replace(block, arms={arm: rows for arm, rows in block.arms.items() if not _again(rows)}) for block in blocks
    ]
    control = [[row for rows in block.arms.values() if _again(rows) for row in rows] for block in blocks]
    both = [(block, rows) for block, rows in zip(kept, control, strict=True) if block.arms]
    if not both:
        raise UserError(f"these rows have no initializer but {AGAIN}, a control; add the one that it repeats")
    return [block for block, _ in both], [rows for _, rows in both]


def control(findings: Sequence[Finding], names: Sequence[str], rows: Sequence[Sequence[Row]]) -> Control | None:
    """The control of a study, whose `rows` go with its findings; None where there is none."""
    repeated = [row for some in rows for row in some]
    if not repeated:
        return None
    found = [
        (name, pair)
        for finding, name, some in zip(findings, names, rows, strict=True)
        for pair in _pairs(finding, some)
    ]
    pairs = tuple(pair for _, pair in found)
    of = tuple(sorted({str(row.choices[OF]) for row in repeated}))
    diverged = sum(row.status == DIVERGED for row in repeated)
    alpha = findings[0].alpha
    told = _sentence(of, pairs, len(repeated), diverged, alpha)
    return Control(of, tuple(name for name, _ in found), pairs, len(repeated), diverged, told)


def _pairs(finding: Finding, rows: Sequence[Row]) -> list[Pair]:
    """The control against each arm that it repeats in this block, where both have a mean."""
    found = []
    for name in sorted({str(row.choices[OF]) for row in rows}):
        twins = [arm for arm, ours in finding.block.arms.items() if ours[0].choices["initializer"] == name]
        if len(twins) == 1:  # of two with other arguments nobody knows which one conf/ has
            ours = accuracies([row for row in rows if row.choices[OF] == name])
            theirs = accuracies(finding.block.arms[twins[0]])
            step = 100 / finding.test_images if finding.test_images else 0.0
            found += decisions.compare({AGAIN: ours, twins[0]: theirs}, finding.margin, step, finding.alpha)
    return found


def _sentence(of: Sequence[str], pairs: Sequence[Pair], runs: int, diverged: int, alpha: float) -> str:
    start = (
        f"Control: {AGAIN} draws {' and '.join(of)} anew from a stream of its own ({runs} runs, {diverged} diverged)"
    )
    if not pairs:
        return f"{start}; it meets no arm of that name with a mean, so it tells nothing."
    count = Counter(pair.verdict for pair in pairs)
    told = ", ".join(f"{verdict} {count[verdict]}" for verdict in (DIFFERENT, EQUIVALENT, UNDECIDED))
    chance = f"; at this level chance alone calls {100 * alpha:.2g} % of such pairs different" if alpha else ""
    return f"{start}. Of {len(pairs)} pair{'s' * (len(pairs) > 1)} that cannot differ: {told}{chance}."


def _again(rows: Sequence[Row]) -> bool:
    return bool(rows[0].choices["initializer"] == AGAIN)
