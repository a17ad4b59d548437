"""What counts as a wrong verdict, and that the count rises where errors are not controlled."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from bench.benchmarks.error_rates.judge import DIFFERENCE, EQUIVALENCE, judged, right, wrong
from bench.benchmarks.error_rates.kinds import EQUAL, FAILING_ARM, LOWER, SMALL, Kind
from bench.benchmarks.error_rates.simulate import QUESTION, studies
from bench.report import Summary, summarize
from bench.report.analysis.finding import find
from bench.report.analysis.rules import Margin, Rules
from bench.report.wording.answer import answer, question
from bench.schema import Row

RULES = Rules(Margin(points=1.0), rate_margin=0.1, line=0.1, question=QUESTION)


def simulated(kind: Kind, count: int = 1) -> Iterator[Summary]:
    for rows in studies(kind, count, np.random.default_rng(1)):
        yield summarize(rows, RULES)


def rates(kind: Kind, count: int, name: str) -> tuple[float, float]:
    """The share of studies with this wrong verdict, by the rules and at a level of 0.99."""
    found = []
    for summary in simulated(kind, count):  # judged before the rows of the next study replace these
        findings = find([one.block for one in summary.findings], RULES, 0.99)
        found.append([wrong(one, kind)[name] for one in (summary, replace(summary, findings=findings, alpha=0.99))])
    by_the_rules, without_a_level = np.mean(found, axis=0)
    return by_the_rules, without_a_level


@pytest.mark.parametrize("name", ["false_matters", "false_different"])
def test_equal_arms_rarely_differ_and_often_once_the_level_is_gone(name: str) -> None:
    by_the_rules, without_a_level = rates(Kind(EQUAL, 1.2, 10), 40, name)
    assert by_the_rules <= 0.1
    assert without_a_level > 0.2


def test_arms_at_the_margin_are_called_equal_once_the_level_is_gone() -> None:
    by_the_rules, without_a_level = rates(Kind(LOWER, 0.6, 20, shift=1.0, size=SMALL), 20, "false_equal_in_accuracy")
    assert by_the_rules <= 0.2
    assert without_a_level > 0.5


def test_an_arm_that_fails_is_called_equivalent_once_the_level_is_gone() -> None:
    by_the_rules, without_a_level = rates(Kind(FAILING_ARM, 0.6, 20, failing=0.1, size=SMALL), 20, "false_equivalent")
    assert by_the_rules == 0
    assert without_a_level > 0.2


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind(LOWER, 0.6, 20, shift=3.0), DIFFERENCE),
        (Kind(FAILING_ARM, 0.6, 40, failing=0.5, size=SMALL), DIFFERENCE),
        (Kind(EQUAL, 0.6, 80, size=SMALL), EQUIVALENCE),
        (Kind(EQUAL, 0.6, 30), ["equal in accuracy"]),
    ],
    ids=["lower", "failing", "equivalent", "equal"],
)
def test_the_sentences_have_the_words_that_are_looked_for(kind: Kind, words: list[str]) -> None:
    (summary,) = simulated(kind)
    for text in (answer(summary), question(summary)):
        assert any(word in text.lower() for word in words), text


def test_words_of_a_difference_are_in_no_sentence_of_an_undecided_study() -> None:
    (summary,) = simulated(Kind(EQUAL, 5.0, 3))
    for text in (answer(summary), question(summary)):
        assert not any(word in text.lower() for word in (*DIFFERENCE, *EQUIVALENCE)), text


def test_what_is_true_is_found() -> None:
    (lower,) = simulated(Kind(LOWER, 0.6, 20, shift=3.0))
    assert set(right(lower, Kind(LOWER, 0.6, 20, shift=3.0)).values()) == {1.0}
    (equal,) = simulated(Kind(EQUAL, 0.6, 80, size=SMALL))
    assert set(right(equal, Kind(EQUAL, 0.6, 80, size=SMALL)).values()) == {1.0}


def test_a_shift_within_the_margin_may_be_called_equivalent() -> None:
    kind = Kind(LOWER, 0.6, 20, shift=0.5, size=SMALL)
    (summary,) = simulated(kind)
    assert wrong(summary, kind) == {}


def planted(rows: list[Row]) -> list[Row]:
    """The first arm 20 points ahead in the first three seeds, and as far behind in the others."""
    for row in rows:
        seed, first = row.choices["seed"], row.choices["initializer"] == QUESTION[0]
        reached = 0.5 + seed / 360 + first * ((0.2 if seed < 3 else -0.2) + (seed % 2) / 360)
        row.measures = {"validation_accuracy": reached, "test_accuracy": reached}
    return rows


def test_a_study_with_looks_is_wrong_when_it_was_at_any_of_them() -> None:
    kind = Kind(EQUAL, 0.6, 5, looks=(3, 5), size=SMALL)
    (rows,) = map(planted, studies(kind, 1, np.random.default_rng(0)))
    assert judged(rows, kind, RULES)["false_matters"] == 1
    assert judged(rows, replace(kind, looks=()), RULES)["false_matters"] == 0
