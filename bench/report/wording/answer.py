"""A study in a few sentences: whether the initializer matters, where, and which ones are safe to take.

In: the findings of all blocks. Out: text. Touches: nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from bench.report.analysis.finding import ALONE, MATTERS, NO_MATTER, NO_TRAINING, Finding
from bench.report.analysis.pairs import UNDECIDED
from bench.schema import WORDS

NAMED = 6  # blocks or arms named in one list; the tables have them all
SAID = {
    MATTERS: "matters",
    NO_MATTER: "does not matter",
    UNDECIDED: "is undecided",
    NO_TRAINING: "cannot be judged (nothing trains)",
    ALONE: "has nothing to be compared with",
}


def answer(findings: Sequence[Finding]) -> str:
    """Whether the initializer matters in the study: in how many blocks and which, and which arms are safe to take."""
    if len(findings) == 1:
        return _one(findings[0])
    parts = [_where(findings), _divergence(findings), _best(findings), _safe(findings)]
    return " ".join(part for part in parts if part)


def _one(finding: Finding) -> str:
    """The answer of a study of one block, whose sentence has told the rest."""
    judged = finding.verdict in (MATTERS, NO_MATTER) and finding.leading
    safe = f" Never diverged and not shown to be worse than the best: {', '.join(finding.leading)}." if judged else ""
    return f"The initializer {SAID[finding.verdict]}.{safe}"


def _where(findings: Sequence[Finding]) -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for finding, name in zip(findings, names(findings), strict=True):
        found[finding.verdict].append(name)
    told = [
        # where it matters is told with the best arm of each
        f"{words} in {len(found[verdict])}{_inside(found[verdict]) if verdict != MATTERS else ''}"
        for verdict, words in SAID.items()
        if found[verdict]
    ]
    return f"Of {_blocks(len(findings))}, the initializer {'; '.join(told)}."


def _divergence(findings: Sequence[Finding]) -> str:
    runs: Counter[str] = Counter()
    for finding in findings:
        runs.update({line.initializer: line.diverged for line in finding.lines if line.diverged})
    blocks = sum(any(line.diverged for line in finding.lines) for finding in findings)
    arms = [f"{arm} {count}" for arm, count in sorted(runs.items(), key=lambda item: (-item[1], item[0]))]
    return f"Runs diverged in {_blocks(blocks)}: {_some(arms)}." if arms else ""


def _best(findings: Sequence[Finding]) -> str:
    where: dict[str, list[str]] = defaultdict(list)
    for finding, name in zip(findings, names(findings), strict=True):
        best = finding.leader
        if best and finding.verdict == MATTERS:
            where[best.initializer].append(name)
    ranked = sorted(where.items(), key=lambda item: (-len(item[1]), item[0]))
    arms = [f"{arm} in {len(names)}{_inside(names)}" for arm, names in ranked]
    return f"Where it matters, the highest mean is of {_some(arms, '; ')}." if arms else ""


def _safe(findings: Sequence[Finding]) -> str:
    judged = [finding for finding in findings if finding.verdict in (MATTERS, NO_MATTER)]
    count = Counter(arm for finding in judged for arm in finding.leading)
    ranked = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    arms = [f"{arm} in {blocks}" for arm, blocks in ranked]
    blocks = _blocks(len(judged), "decided ")
    return f"Never diverged and not shown to be worse than the best, of {blocks}: {_some(arms)}." if arms else ""


def _blocks(count: int, kind: str = "") -> str:
    return f"{count} {kind}block{'' if count == 1 else 's'}"


def names(findings: Sequence[Finding]) -> list[str]:
    """Each block by the choices that tell it from the others: resnet20/batch/relu."""
    choices = [finding.block.choices for finding in findings]
    columns = [column for column in choices[0] if len({repr(choice[column]) for choice in choices}) > 1]
    return ["/".join(_short(column, choice[column]) for column in columns) for choice in choices]


def _short(column: str, value: Any) -> str:
    return str(value) if column in WORDS else f"{column.rpartition('.')[2]}={value}"


def _inside(names: Sequence[str]) -> str:
    return f" ({_some(names, '; ')})" if any(names) else ""


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}{len(names) - NAMED} more" if len(names) > NAMED else ""
    return separator.join(names[:NAMED]) + more
