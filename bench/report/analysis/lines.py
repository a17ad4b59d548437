"""What the line between trained and stalled decides: the verdicts that another line would change.

In: a judged study, and another line. Out: an OtherLine. Touches: nothing.
"""

from dataclasses import dataclass, replace

from bench.report.analysis.judge import Judged, judge
from bench.report.analysis.pairs import Pair
from bench.report.analysis.question import Question


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


def others(line: float) -> list[float]:
    """The two other lines that a report tries: half and twice the line, or half of what is above it; none beside 0."""
    return [line / 2, min(2 * line, (1 + line) / 2)] if line else []


def other_line(judged: Judged, line: float) -> OtherLine:
    """The study judged again with another line, on the same seeds, compared with these verdicts."""
    findings, rules = judged.findings, replace(judged.findings[0].rules, line=line)
    again = judge([finding.block for finding in findings], rules, judged.decided.seeds if judged.decided else None)
    both = list(zip(findings, again.findings, strict=True))
    pairs = [(pair, other.pair(pair.initializer, pair.other)) for finding, other in both for pair in finding.pairs]
    trained = [
        (finding.arm(name), other.arm(name)) for finding, other in both for name in (one.name for one in finding.arms)
    ]
    return OtherLine(
        line=rules.line,
        runs=sum(len(set(before.by_seed) ^ set(after.by_seed)) for before, after in trained if before and after),
        blocks=tuple(finding.title for finding, other in both if finding.verdict != other.verdict),
        pairs=sum(after is None or _word(before) != _word(after) for before, after in pairs),
        all_pairs=len(pairs),
        question=_changed(judged.question, again.question),
    )


def _word(pair: Pair) -> tuple[str, bool]:
    return pair.verdict, pair.rate_open  # a pair that is equal in accuracy is undecided too


def _changed(before: Question | None, after: Question | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    both = zip(before.pairs, after.pairs, strict=True)
    return tuple(finding.title for (finding, pair), (_, other) in both if _word(pair) != _word(other))
