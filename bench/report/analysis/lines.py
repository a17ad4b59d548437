"""What the line between trained and stalled decides: the verdicts that another line would change.

In: findings, and another line. Out: an OtherLine. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.analysis.finding import Finding, find

LINES = (0.5, 2.0)  # times the line of the study: the two others that a report tries


@dataclass(frozen=True)
class OtherLine:
    """Another line, the number of runs whose outcome it changes, and the verdicts on blocks and pairs that it changes.

    `blocks` are the names of the blocks; `pairs` counts pairs of arms in a block, of `all_pairs`.
    """

    line: float
    runs: int
    blocks: tuple[str, ...]
    pairs: int
    all_pairs: int


def other_line(findings: Sequence[Finding], line: float) -> OtherLine:
    """The findings drawn again with another line, compared with these."""
    first = findings[0]
    again = find([finding.block for finding in findings], first.rules.with_line(min(line, 0.99)), first.alpha)
    pairs = [
        (pair.verdict, moved.verdict)
        for finding, other in zip(findings, again, strict=True)
        for pair in finding.pairs
        if (moved := other.pair(pair.initializer, pair.other))
    ]
    trained = [
        (set(arm.by_seed), set(moved.by_seed))
        for finding, other in zip(findings, again, strict=True)
        for arm in finding.arms
        if (moved := other.arm(arm.name))
    ]
    return OtherLine(
        line=first.rules.with_line(min(line, 0.99)).line,
        runs=sum(len(before ^ after) for before, after in trained),
        blocks=tuple(one.title for one, other in zip(findings, again, strict=True) if one.verdict != other.verdict),
        pairs=sum(before != after for before, after in pairs),
        all_pairs=len(pairs),
    )
