"""A study in a few sentences: whether the initializer matters and where, its question, its abstract.

In: a Summary. Out: text. Touches: nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.report.analysis.finding import ALONE, DECIDED, MATTERS, NO_MATTER, NO_TRAINING, Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED
from bench.report.analysis.question import NEITHER, Question
from bench.report.analysis.summary import Summary
from bench.report.wording.format import counted, inside, listed, number, range_of, some

VERDICTS = {
    MATTERS: "matters",
    NO_MATTER: "does not matter",
    UNDECIDED: "is undecided",
    NO_TRAINING: "cannot be judged (nothing trains)",
    ALONE: "has nothing to be compared with",
}
SHORT = 3  # blocks or arms named in a sentence of the abstract


def answer(summary: Summary) -> str:
    """Whether the initializer matters in the study: in how many blocks and which, and which arms are safe to take."""
    findings = summary.findings
    if len(findings) == 1:
        return _of_one(findings[0])
    return " ".join(filter(None, [_where(findings), _divergence(findings), _best(findings), _safe(findings)]))


def question(summary: Summary) -> str:
    """The answer to the study's question, with every block by name; empty where it asks none."""
    comparison = summary.question
    if comparison is None:
        return ""
    ours, theirs = comparison.arms
    clauses = [
        f"{ours} is better in {_count(comparison.where(DIFFERENT, 1))}",
        f"{theirs} is better in {_count(comparison.where(DIFFERENT, -1))}",
        f"they are equivalent in {_count(comparison.where(EQUIVALENT))}",
        f"undecided in {_count(comparison.where(UNDECIDED))}",
    ]
    if idle := comparison.where(NEITHER):
        clauses.append(f"neither trains in {_count(idle)}")
    if missing := len(summary.findings) - len(comparison.pairs):
        clauses.append(f"one of them has no mean in {missing}")
    return f"{ours} or {theirs}? Of {counted(len(summary.findings), 'block')}, {'; '.join(clauses)}."


def abstract(summary: Summary) -> tuple[str, str, str]:
    """Three sentences: the setup; the study's question, or where the initializer matters; the rest."""
    verdicts, diverged = _verdicts(summary), _diverged(summary)
    if summary.question is None:
        return _setup(summary), f"{verdicts}.", f"{diverged}{_keeping_up(summary)}."
    return _setup(summary), f"{_wins(summary, summary.question)}.", f"{verdicts}; {diverged[0].lower()}{diverged[1:]}."


def margins(summary: Summary) -> str:
    """The margin as scaled to each test set: one number, or the smallest and the largest."""
    found = sorted({(finding.margin, finding.digits) for finding in summary.findings})
    return range_of([number(*one) for one in found])


def _of_one(finding: Finding) -> str:
    """The answer of a study of one block, whose sentence gives the rest."""
    judged = finding.verdict in DECIDED and finding.leading
    safe = f" Never diverged and not shown to be worse than the best: {', '.join(finding.leading)}." if judged else ""
    return f"The initializer {VERDICTS[finding.verdict]}.{safe}"


def _where(findings: Sequence[Finding]) -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        found[finding.verdict].append(finding.name)
    clauses = [
        # `_best` names the blocks where it matters
        f"{words} in {len(found[verdict])}{inside(found[verdict]) if verdict != MATTERS else ''}"
        for verdict, words in VERDICTS.items()
        if found[verdict]
    ]
    return f"Of {counted(len(findings), 'block')}, the initializer {'; '.join(clauses)}."


def _divergence(findings: Sequence[Finding]) -> str:
    blocks = sum(any(one.diverged for one in finding.arms) for finding in findings)
    arms = [f"{name} {count}" for name, count in _by_count(_lost(findings))]
    return f"Runs diverged in {counted(blocks, 'block')}: {some(arms)}." if arms else ""


def _best(findings: Sequence[Finding]) -> str:
    where: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.leader and finding.verdict == MATTERS:
            where[finding.leader.name].append(finding.name)
    ranked = _by_count({name: len(blocks) for name, blocks in where.items()})
    arms = [f"{name} in {count}{inside(where[name])}" for name, count in ranked]
    return f"Where it matters, the highest mean is of {some(arms, '; ')}." if arms else ""


def _safe(findings: Sequence[Finding]) -> str:
    judged = [finding for finding in findings if finding.verdict in DECIDED]
    count = Counter(arm for finding in judged for arm in finding.leading)
    arms = [f"{name} in {blocks}" for name, blocks in _by_count(count)]
    blocks = counted(len(judged), "decided block")
    return f"Never diverged and not shown to be worse than the best, of {blocks}: {some(arms)}." if arms else ""


def _setup(summary: Summary) -> str:
    arms, blocks = counted(len(summary.arms), "weight initializer"), counted(len(summary.findings), "block")
    data = listed(sorted({str(row.choices.get("dataset")) for row in summary.rows}))
    sizes = summary.sizes
    seeds = range_of([*map(str, sizes[:-1]), counted(sizes[-1], "seed")])
    return (
        f"We trained {counted(len(summary.rows), 'network')} on {data}: {arms} in {blocks} of model, normalization and "
        f"activation, each with {seeds}."
    )


def _wins(summary: Summary, comparison: Question) -> str:
    ours, theirs = comparison.arms
    count = Counter(comparison.verdicts())
    same = (
        f"{count[EQUIVALENT] or 'none'} of {counted(len(comparison.pairs), 'block')}, within {margins(summary)} points"
    )
    won = {ours: comparison.where(DIFFERENT, 1), theirs: comparison.where(DIFFERENT, -1)}
    clauses = [f"{ours} and {theirs} are equivalent in {same}"]
    clauses += [
        f"{arm} is better in {len(where)}{inside(where, ', ', SHORT, ' and ')}" for arm, where in won.items() if where
    ]
    clauses += [f"undecided in {count[UNDECIDED]}"] if count[UNDECIDED] else []
    clauses += [f"neither trains in {count[NEITHER]}"] if count[NEITHER] else []
    return "; ".join(clauses)


def _verdicts(summary: Summary) -> str:
    count = Counter(finding.verdict for finding in summary.findings)
    words = VERDICTS | {NO_TRAINING: "cannot be judged because nothing trains"}
    clauses = [f"{text} in {count[verdict]}" for verdict, text in words.items() if count[verdict]]
    blocks = counted(len(summary.findings), "block")
    return f"Of {blocks} with {counted(len(summary.arms), 'initializer')}, the choice {listed(clauses)}"


def _diverged(summary: Summary) -> str:
    lost = _lost(summary.findings)
    if not lost:
        return "No run diverged"
    arms = [f"{name} {count}" for name, count in _by_count(lost)]
    return f"{counted(lost.total(), 'run')} diverged ({some(arms, ', ', SHORT, ' and ')})"


def _keeping_up(summary: Summary) -> str:
    """Which arms are as good as the leading one in every decided block, as the end of a sentence."""
    decided = [finding for finding in summary.findings if finding.verdict in DECIDED]
    if not decided:
        return ""
    safe = [arm for arm in summary.arms if all(arm in finding.leading for finding in decided)]
    where = counted(len(decided), "decided block")
    if not safe:
        return f"; no initializer keeps up with the leading one in all of {where}"
    return f"; never shown to be worse than the leading one in {where}: {some(safe, ', ', SHORT, ' and ')}"


def _lost(findings: Sequence[Finding]) -> Counter[str]:
    """The number of diverged runs of each arm that has some."""
    count: Counter[str] = Counter()
    for finding in findings:
        count.update({one.name: one.diverged for one in finding.arms if one.diverged})
    return count


def _by_count(count: dict[str, int]) -> list[tuple[str, int]]:
    """The largest first, equal ones by name."""
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))


def _count(where: Sequence[str]) -> str:
    """The number of some blocks and all their names."""
    return f"{len(where) or 'none'}{inside(where, most=len(where))}"
