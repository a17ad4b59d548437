"""The question of a study: its two arms in every block, as a family of its own."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.report import summarize
from bench.report.analysis.advice import advice
from bench.report.analysis.question import Question
from bench.report.analysis.rules import Rules
from bench.report.statistics import holm
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Ask = Callable[[list[Row]], Question]

NOISE = [0.001, -0.001, 0.002, -0.002, 0.0]


def close(low: float, count: int = 5) -> list[float]:
    return [low + 0.0001 * seed for seed in range(count)]


@pytest.fixture
def ask(rules: Rules) -> Ask:
    """The question of rows, `xavier` against `he`."""

    def ask(rows: list[Row]) -> Question:
        question = summarize(rows, replace(rules, question=("xavier", "he"))).question
        assert question is not None
        return question

    return ask


@pytest.fixture
def rows(arm: MakeArm) -> list[Row]:
    """xavier is better in resnet20, he in plain20, they keep within the margin in plain14; a third arm is far below."""
    found = []
    for model, gap in (("resnet20", 0.02), ("plain14", 0.0), ("plain20", -0.03)):
        found += arm("xavier", [0.90 + gap + one for one in NOISE], model=model)
        found += arm("he", close(0.90), model=model)
        found += arm("third", close(0.5), model=model)
    return found


def test_the_question_is_a_family_of_two_tests_per_block(rows: list[Row], ask: Ask) -> None:
    question = ask(rows)
    tests = [test for _, pair in question.pairs for test in (pair.accuracy, pair.rate)]
    assert [test.p_adjusted for test in tests] == list(holm([test.p for test in tests]))
    for endpoint in (0, 1):
        same = tests[endpoint::2]
        assert [one.equivalence_p_adjusted for one in same] == list(holm([one.equivalence_p for one in same]))
    both = [max(test.equivalence_p or 0 for test in tests[place : place + 2]) for place in (0, 2, 4)]
    assert [pair.equivalence_p_adjusted for _, pair in question.pairs] == list(holm(both))
    assert ask(rows[:10] + rows[15:25] + rows[30:40]).pairs[0][1] == question.pairs[0][1]  # a third arm costs nothing


def test_the_question_is_answered_in_every_block(rows: list[Row], ask: Ask) -> None:
    question = ask(rows)
    assert {finding.name: pair.verdict for finding, pair in question.pairs} == {
        "resnet20": "different",
        "plain14": "undecided",
        "plain20": "different",
    }
    assert {finding.name: pair.better for finding, pair in question.pairs} == {
        "resnet20": "xavier",
        "plain14": None,
        "plain20": "he",
    }
    assert [pair.rate_open for _, pair in question.pairs] == [True, False, False]


def test_a_pair_of_the_question_is_seen_from_its_first_arm(rows: list[Row], ask: Ask) -> None:
    differences = {finding.name: pair.accuracy.difference for finding, pair in ask(rows).pairs}
    assert differences == pytest.approx({"resnet20": 1.98, "plain14": -0.02, "plain20": -3.02})


def test_the_question_has_more_power_than_the_same_pair_among_others(arm: MakeArm, rules: Rules) -> None:
    """Eight arms have 28 pairs, so that a pair counts 28 times in its block and once in the question."""
    ours, theirs = [0.911, 0.914, 0.91, 0.913, 0.912], [0.9, 0.895, 0.9, 0.895, 0.9]
    rows = [*arm("xavier", ours), *arm("he", theirs), *[run for name in "abcdef" for run in arm(name, theirs)]]
    summary = summarize(rows, replace(rules, question=("xavier", "he")))
    pair = summary.findings[0].pair("xavier", "he")
    assert pair is not None
    assert summary.question is not None
    (asked,) = [pair for _, pair in summary.question.pairs]
    assert pair.rate.p_adjusted == 1.0
    assert pair.accuracy.p_adjusted == pytest.approx(28 * (asked.accuracy.p_adjusted or 0))
    assert (pair.verdict, asked.verdict) == ("undecided", "different")


def test_two_arms_at_chance_are_not_called_equivalent(arm: MakeArm, ask: Ask) -> None:
    rows = [*arm("xavier", close(0.1)), *arm("he", close(0.1)), *arm("third", close(0.9))]
    assert ask(rows).verdicts == ["neither trains"]


def test_a_block_where_one_arm_always_diverged_is_an_answer(arm: MakeArm, row: MakeRow, ask: Ask) -> None:
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9))]
    rows += [*arm("xavier", close(0.9), model="plain14")]
    rows += [row("he", seed, status="diverged", model="plain14") for seed in range(5)]
    question = ask(rows)
    assert {finding.name: pair.verdict for finding, pair in question.pairs} == {
        "plain14": "different",
        "resnet20": "undecided",
    }
    assert [pair.better for _, pair in question.pairs] == ["xavier", None]


def test_a_block_without_an_ended_run_of_an_arm_has_no_answer(arm: MakeArm, row: MakeRow, ask: Ask) -> None:
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9)), *arm("xavier", close(0.9), model="plain14")]
    rows += [row("he", seed, status="failed", model="plain14") for seed in range(5)]
    assert [finding.name for finding, _ in ask(rows).pairs] == ["resnet20"]


def test_a_question_about_arms_that_are_not_there_is_not_asked(arm: MakeArm, rules: Rules) -> None:
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9))]

    for names, asked in ((("xavier", "he"), True), (("xavier", "orthogonal"), False), ((), False)):
        question = summarize(rows, replace(rules, question=names)).question
        assert (question is not None) == asked


def scaled(arm: MakeArm, *scales: float) -> list[Row]:
    rows = arm("he", close(0.9))
    return rows + [run for scale in scales for run in arm("scaling", close(scale / 10), initializer__scale=scale)]


@pytest.mark.parametrize("text", ["scaling(scale=2)", "scaling( scale = 2.0 )", "scaling(scale=2.0)"])
def test_a_question_may_name_an_arm_by_its_arguments(arm: MakeArm, rules: Rules, text: str) -> None:
    for scales in ((2.0,), (1.0, 2.0)):
        question = summarize(scaled(arm, *scales), replace(rules, question=("he", text))).question
        assert question is not None
        ((_, pair),) = question.pairs
        assert pair.accuracy.difference == pytest.approx(70)


def test_a_text_that_means_several_arms_or_none_asks_nothing(arm: MakeArm, rules: Rules) -> None:
    rows = scaled(arm, 1.0, 2.0)
    for text in ("scaling", "scaling(scale=3)", "scaling(mode=2)"):
        assert summarize(rows, replace(rules, question=("he", text))).question is None


def test_an_arm_within_the_margin_of_the_question_leads_though_all_pairs_together_do_not_show_it(
    arm: MakeArm, rules: Rules
) -> None:
    rows = arm("he", [0.908 + 0.0028 * (-1) ** seed for seed in range(12)]) + arm("xavier", [0.9] * 12)
    rows += [row for place in range(5) for row in arm(f"other{place}", [0.3 + 0.1 * place] * 12)]
    wide = replace(rules, question=("xavier", "he"), rate_margin=0.3)
    summary = summarize(rows, wide)
    (finding,), question = summary.findings, summary.question
    assert question is not None
    (_, asked), pair = question.pairs[0], finding.pair("xavier", "he")
    assert pair is not None
    assert (pair.verdict, asked.verdict) == ("different", "different, within the margin")
    assert finding.leading == ["he"]
    assert summary.advised(finding).leading == ["he", "xavier"]
    advised = {one.name: one.word for one in next(advice(summary)).others}
    assert advised["xavier"] == "equivalent"
