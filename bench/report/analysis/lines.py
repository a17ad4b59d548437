"""What the line between trained and stalled decides: the verdicts that another line would change.

In: findings, and another line. Out: an OtherLine. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.analysis.finding import Finding, find
from bench.report.analysis.question import Question, ask

LINES = (0.5, 2.0)  # times the line of the study: the two others that a report tries
HIGHEST = 0.99


@dataclass(frozen=True)
class OtherLine:
    """Another line, the number of runs whose outcome it changes, and the verdicts that it changes.

    blocks: the names of blocks. pairs: the number of pairs of arms in a block, of `all_pairs`. question: the names of
    the blocks in which the answer to the question of the study changes.
    """

    line: float
    runs: int
    blocks: tuple[str, ...]
    pairs: int
    all_pairs: int
    question: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether any verdict changes."""
        return bool(self.blocks or self.pairs or self.question)


def other_line(findings: Sequence[Finding], line: float) -> OtherLine:
    """The findings drawn again with another line, compared with these."""
    rules = findings[0].rules.with_line(min(line, HIGHEST))
    again = find([finding.block for finding in findings], rules, findings[0].alpha)
    both = list(zip(findings, again, strict=True))
    pairs = [
        (pair.verdict, other.pair(pair.initializer, pair.other)) for finding, other in both for pair in finding.pairs
    ]
    trained = [
        (finding.arm(name), other.arm(name)) for finding, other in both for name in (one.name for one in finding.arms)
    ]
    return OtherLine(
        line=rules.line,
        runs=sum(len(set(before.by_seed) ^ set(after.by_seed)) for before, after in trained if before and after),
        blocks=tuple(finding.title for finding, other in both if finding.verdict != other.verdict),
        pairs=sum(after is None or before != after.verdict for before, after in pairs),
        all_pairs=len(pairs),
        question=_changed(ask(findings, *rules.question), ask(again, *rules.question)) if rules.question else (),
    )


def _changed(before: Question | None, after: Question | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    both = zip(before.pairs, after.pairs, strict=True)
    return tuple(finding.title for (finding, pair), (_, other) in both if pair.verdict != other.verdict)
