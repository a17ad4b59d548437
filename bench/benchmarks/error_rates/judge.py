"""What the report says of a simulated study, next to what is true of it.

In: the rows of a study, its cell, rules. Out: shares of wrong and of right verdicts. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.benchmarks.error_rates.cells import LOWER, Cell
from bench.benchmarks.error_rates.simulate import ACCURACY, ARMS, TEST_IMAGES
from bench.report.analysis.finding import MATTERS
from bench.report.analysis.pairs import CLOSE, DIFFERENT, EQUIVALENT, WITHIN, Pair
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary, summarize
from bench.schema import Row

Shares = dict[str, float]  # of the studies with such a verdict, or of the pairs of arms; 0 or 1 of a single study


def judged(rows: Sequence[Row], cell: Cell, rules: Rules) -> Shares:
    """Whether a study has wrong verdicts at any of its looks; how many right ones it has, where it is judged once."""
    if not cell.looks:
        summary = summarize(rows, rules)
        return {**wrong(summary, cell), **right(summary, cell)}
    rules = replace(rules, looks=cell.looks)
    found = [wrong(summarize(_first(rows, seeds), rules), cell) for seeds in cell.looks]
    return {name: max(one[name] for one in found) for name in found[0]}


def wrong(summary: Summary, cell: Cell) -> Shares:
    """Whether any verdict of each kind is false."""
    equal, unequal, asked = _pairs(summary, cell)
    found: Shares = {"false_different": any(map(_says_different, equal))} if equal else {}
    if not unequal:
        found["false_matters"] = any(finding.verdict == MATTERS for finding in summary.findings)
        found["false_question"] = any(map(_says_different, asked))
    elif _beyond(cell, summary.rules):
        found["false_equivalent"] = any(map(_says_equivalent, unequal))
        found["false_question"] = any(map(_says_equivalent, asked))
        if cell.scenario == LOWER:
            found["false_equal_in_accuracy"] = any(pair.accuracy.verdict in CLOSE for pair in unequal)
    return found


def right(summary: Summary, cell: Cell) -> Shares:
    """The share of the pairs of arms whose verdict finds what is true, and whether any block matters that does."""
    equal, unequal, asked = _pairs(summary, cell)
    found: Shares = {}
    if equal:
        found["found_equivalent"] = _share(pair.verdict == EQUIVALENT for pair in equal)
        found["found_equal_in_accuracy"] = _share(pair.accuracy.verdict in CLOSE for pair in equal)
    if unequal:
        found["found_different"] = _share(pair.verdict == DIFFERENT for pair in unequal)
        found["found_matters"] = any(finding.verdict == MATTERS for finding in summary.findings)
    return found | {"found_question": _share(pair.verdict == (DIFFERENT if unequal else EQUIVALENT) for pair in asked)}


def _pairs(summary: Summary, cell: Cell) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """The pairs of equal arms, those of unequal ones, and those of the question."""
    pairs = [pair for finding in summary.findings for pair in finding.pairs]
    with_first = [cell.unequal and ARMS[0] in pair.names for pair in pairs]
    return (
        [pair for pair, first in zip(pairs, with_first, strict=True) if not first],
        [pair for pair, first in zip(pairs, with_first, strict=True) if first],
        [pair for _, pair in summary.question.pairs] if summary.question else [],
    )


def _beyond(cell: Cell, rules: Rules) -> bool:
    return cell.beyond(rules.margin.against(ACCURACY, 100 / TEST_IMAGES), rules.rate_margin)


def _says_different(pair: Pair) -> bool:
    return pair.verdict in (DIFFERENT, WITHIN)


def _says_equivalent(pair: Pair) -> bool:
    """Whether the verdict keeps both endpoints within their margins."""
    return pair.verdict in CLOSE and not pair.rate_open


def _first(rows: Iterable[Row], seeds: int) -> list[Row]:
    return [row for row in rows if row.choices["seed"] < seeds]


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values) if values else 0.0
