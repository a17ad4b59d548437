"""What the report says of a simulated study, next to what is true of it.

In: the rows of a study, its kind, rules. Out: shares of wrong and of right verdicts. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.benchmarks.error_rates.kinds import LOWER, Kind
from bench.benchmarks.error_rates.simulate import ACCURACY, ARMS, TEST_IMAGES
from bench.report.analysis.finding import EQUAL, MATTERS
from bench.report.analysis.pairs import CLOSE, DIFFERENT, EQUIVALENT, WITHIN, Pair
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary, summarize
from bench.report.wording.answer import answer, question
from bench.schema import Row

Shares = dict[str, float]  # of studies, or of the blocks or pairs of a study; 0 or 1 where a single one is judged

DIFFERENCE = (
    "initializer matters",
    "is better",
    "different",
    "more often",
    "more accurate",
)  # words of the printed sentences
EQUIVALENCE = ("equivalent", "does not matter")
CLOSENESS = (*EQUIVALENCE, EQUAL, "within the margin")  # in accuracy


def judged(rows: Sequence[Row], kind: Kind, rules: Rules) -> Shares:
    """Whether a study has wrong verdicts at any of its looks; how many right ones it has, where it is judged once."""
    if not kind.looks:
        summary = summarize(rows, rules)
        return {**wrong(summary, kind), **right(summary, kind)}
    rules = replace(rules, looks=kind.looks)
    found = [wrong(summarize(_first(rows, seeds), rules), kind) for seeds in kind.looks]
    return {name: max(one[name] for one in found) for name in found[0]}


def wrong(summary: Summary, kind: Kind) -> Shares:
    """Whether any verdict of each kind is false, or any sentence that is printed of it."""
    pairs, asked = _pairs(summary, kind), _asked(summary)
    said, replied = answer(summary), question(summary)
    if not kind.unequal:
        matters = any(finding.verdict == MATTERS for finding in summary.findings)
        return {
            "false_matters": matters or _has(said, DIFFERENCE),
            "false_different": any(map(_is_different, pairs)),
            "false_question": any(map(_is_different, asked)) or _has(replied, DIFFERENCE),
        }
    if not kind.beyond(summary.rules.margin.against(ACCURACY, 100 / TEST_IMAGES), summary.rules.rate_margin):
        return {}
    found: Shares = {
        "false_equivalent": any(map(_is_equivalent, pairs)) or _has(said, EQUIVALENCE),
        "false_question": any(map(_is_equivalent, asked)) or _has(replied, EQUIVALENCE),
    }
    if kind.scenario == LOWER:
        found["false_equal_in_accuracy"] = any(map(_is_equal_in_accuracy, pairs)) or _has(said, CLOSENESS)
        found["false_question"] = any(map(_is_equal_in_accuracy, asked)) or _has(replied, CLOSENESS)
    return found


def right(summary: Summary, kind: Kind) -> Shares:
    """Whether any block matters that does, and the share of the pairs of arms whose verdict finds what is true."""
    pairs = _pairs(summary, kind)
    if not kind.unequal:
        return {
            "found_equivalent": _share(pair.verdict == EQUIVALENT for pair in pairs),
            "found_equal_in_accuracy": _share(map(_is_equal_in_accuracy, pairs)),
        }
    return {
        "found_matters": any(finding.verdict == MATTERS for finding in summary.findings),
        "found_different": _share(pair.verdict == DIFFERENT for pair in pairs),
        "found_question": _share(pair.verdict == DIFFERENT for pair in _asked(summary)),
    }


def _pairs(summary: Summary, kind: Kind) -> list[Pair]:
    """The pairs of arms, but for those of equal arms in a study where one is unequal."""
    pairs = [pair for finding in summary.findings for pair in finding.pairs]
    return [pair for pair in pairs if ARMS[0] in pair.names] if kind.unequal else pairs


def _asked(summary: Summary) -> list[Pair]:
    return [pair for _, pair in summary.question.pairs] if summary.question else []


def _is_different(pair: Pair) -> bool:
    return pair.verdict in (DIFFERENT, WITHIN)


def _is_equivalent(pair: Pair) -> bool:
    """Whether the verdict keeps both endpoints within their margins."""
    return pair.verdict in CLOSE and not pair.rate_open


def _is_equal_in_accuracy(pair: Pair) -> bool:
    return pair.accuracy.verdict in CLOSE


def _has(sentences: str, words: Sequence[str]) -> bool:
    return any(word in sentences.lower() for word in words)


def _first(rows: Iterable[Row], seeds: int) -> list[Row]:
    return [row for row in rows if row.choices["seed"] < seeds]


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values) if values else 0.0
