"""What holds in which blocks, explained by the one choice that tells it best: with batch norm this, without it that.

In: findings, and a label for each. Out: text. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.analysis.blocks import short
from bench.report.analysis.finding import Finding
from bench.report.analysis.levels import Level, of_study, sizes, telling
from bench.report.analysis.pairs import DIFFERENT
from bench.report.analysis.summary import Summary
from bench.report.wording.format import DASH, counted, counted_range, estimate, few, inside, number, range_of


@dataclass(frozen=True)
class Group:
    """Blocks that share a choice: the words for it ("" for all blocks), and the names that the rest of them has."""

    words: str
    findings: tuple[Finding, ...]
    names: tuple[str, ...]


def explained(found: Sequence[Group], labels: Mapping[str, str]) -> str:
    """Clauses that say where each label holds: `with batch norm undecided in all 4 blocks; without normalization ...`.

    `labels`: of each finding, by its name; a finding without one is left out.
    """
    if len(set(labels.values())) == 1:
        return next(iter(labels.values())) + every(len(labels), sum(len(group.findings) for group in found))
    return "; ".join(filter(None, (_clause(group, labels) for group in found)))


def groups(findings: Sequence[Finding], labels: Sequence[str]) -> list[Group]:
    """The blocks by the choice that tells their labels best: it leaves the fewest labels within its values.

    One group of all blocks where no choice has a value of two blocks or more with one label.
    """
    columns = [key for key in findings[0].choices if len({repr(one.choices[key]) for one in findings}) > 1]
    best = telling(findings, labels)
    if not best:
        return [Group("", tuple(findings), tuple(_name(one, columns) for one in findings))]
    values = {repr(one.choices[best]): one.choices[best] for one in findings}.values()
    return [_group(findings, columns, best, value) for value in values]


def factor(summary: Summary) -> str:
    """The choice on which it depends most how far initializers lie apart; empty where they lie equally far.

    Of a study that tunes, each arm at its own value, by the lead of the arm that tuning ranks first.
    """
    found = [one for one in of_study(summary) if one.gap is not None]
    if not summary.alpha or len({number(size, 1) for size in sizes(found)}) < 2:
        return ""
    last = found[0].choice.rpartition(".")[2].replace("_", " ")
    tuned = ", each at its own value," if summary.tuning else ""
    shown = [f"{sum(pair.verdict == DIFFERENT for pair in one.pairs):,} of {len(one.pairs):,}" for one in found]
    seeds = sorted({one.lead.n for one in found if one.lead})
    if far := leads(found):
        how = f"over all runs on {counted_range(seeds, 'fresh seed')} the arm that tuning ranks first leads the last by"
    else:
        how = "by the mean over all runs the best and the worst arm of the median block lie apart by"
        far = few([f"{number(one.gap, 1)} points {phrase(one.choice, one.value)} ({_blocks(one)})" for one in found])
    return (
        f"What the initializer changes{tuned} depends most on the {last}: {how} {far}; of the pairs of arms "
        f"{few(shown)} are shown to be different."
    )


def leads(found: Sequence[Level]) -> str:
    """How far the arm that tuning ranks first leads the last at each level; empty unless it is known of all."""
    if not all(one.lead for one in found):
        return ""
    return few([f"{estimate(one.lead, 1)} points {phrase(one.choice, one.value)}" for one in found])


def _blocks(level: Level) -> str:
    return f"{range_of_points(level.gaps)} in {counted(len(level.gaps), 'block')}"


def range_of_points(values: Sequence[float]) -> str:
    """`0.6 to 1.2`, of rising values in points."""
    return range_of([number(value, 1) for value in (values[0], values[-1])]) if values else DASH


def phrase(column: str, value: Any) -> str:
    """A choice in a sentence: `with batch norm`, `without normalization`, `with relu`, `at learning_rate=0.1`."""
    if value is None:
        return f"without {column.rpartition('.')[2]}"
    if column == "normalization":
        word = "" if "_" in value else " norm"  # weight_standardization has a name of its own
        return "without normalization" if value == "none" else f"with {value}{word}"
    shown = short(column, value)
    return f"at {shown}" if "=" in shown else f"with {shown}"


def _group(findings: Sequence[Finding], columns: Sequence[str], column: str, value: Any) -> Group:
    mine = tuple(one for one in findings if repr(one.choices[column]) == repr(value))
    rest = [key for key in columns if key != column]
    return Group(phrase(column, value), mine, tuple(_name(one, rest) for one in mine))


def _name(finding: Finding, columns: Sequence[str]) -> str:
    return "/".join(short(key, finding.choices[key]) for key in columns)


def _clause(group: Group, labels: Mapping[str, str]) -> str:
    where: dict[str, list[str]] = defaultdict(list)
    for finding, name in zip(group.findings, group.names, strict=True):
        if finding.name in labels:
            where[labels[finding.name]].append(name)
    if len(where) == 1:
        ((label, names),) = where.items()
        text = f"{label}{every(len(names), len(group.findings))}"
    else:
        text = ", ".join(f"{label} in {len(names)}{inside(names, ', ')}" for label, names in where.items())
    return f"{group.words} {text}" if group.words and text else text


def every(count: int, total: int) -> str:
    """How a label goes on that holds in `count` of `total` blocks, the others without one; nothing for one block."""
    if count < total:
        return f" in {counted(count, 'block')}"
    return {1: "", 2: " in both blocks"}.get(count, f" in all {count} blocks")
