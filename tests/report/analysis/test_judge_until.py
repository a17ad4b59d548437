"""Seeds until decided: which blocks go on, and which verdicts stay."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.report import Summary, summarize
from bench.report.analysis.pairs import Pair, decide
from bench.report.analysis.rules import Rules
from bench.report.statistics.sequential import levels
from bench.report.wording.answer import verdict
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
Judge = Callable[..., Summary]

LOOKS = (5, 10, 20)
NOISE = np.random.default_rng(0).normal(0, 0.004, (2, 20))
WIDE = np.random.default_rng(1).normal(0, 0.015, (2, 20))  # leaves a difference of a point open


@pytest.fixture
def judge(rules: Rules) -> Judge:
    def judge(rows: list[Row], **changes: Any) -> Summary:
        changed = replace(rules, **{"looks": LOOKS, "until": "decided", "question": ("a", "b"), **changes})
        return summarize(rows, changed)

    return judge


@pytest.fixture
def block(arm: MakeArm) -> MakeArm:
    """Two arms of `seeds` seeds, the second lower by `shift`."""

    def make(seeds: int, shift: float, activation: str, noise: Any = NOISE) -> list[Row]:
        ours, theirs = 0.9 + noise[0][:seeds], 0.9 - shift + noise[1][:seeds]
        return [*arm("a", list(ours), activation=activation), *arm("b", list(theirs), activation=activation)]

    return make


def verdicts(summary: Summary) -> dict[str, str]:
    assert summary.question is not None
    return {finding.name: verdict(pair) for finding, pair in summary.question.pairs}


def seeds(summary: Summary) -> dict[str, dict[str, int]]:
    """By block and arm."""
    assert summary.decided is not None
    return {one.name: dict(count) for one, count in zip(summary.findings, summary.decided.seeds, strict=True)}


def going(summary: Summary) -> dict[str, set[str]]:
    assert summary.decided is not None
    return {one.name: {*arms} for one, arms in zip(summary.findings, summary.decided.open, strict=True)}


def both(count: int) -> dict[str, int]:
    return {"a": count, "b": count}


def test_a_block_that_is_decided_takes_no_more_seeds_and_an_open_one_takes_those_of_the_next_look(
    block: MakeArm, judge: Judge
) -> None:
    summary = judge([*block(5, 0.1, "relu"), *block(5, 0.012, "tanh", WIDE)])
    assert verdicts(summary) == {"relu": "different", "tanh": "undecided"}
    assert seeds(summary) == {"relu": both(5), "tanh": both(10)}
    assert going(summary) == {"relu": set(), "tanh": {"a", "b"}}


def test_a_verdict_stays_while_other_blocks_go_on(block: MakeArm, judge: Judge) -> None:
    first = judge([*block(5, 0.1, "relu"), *block(5, 0.012, "tanh", WIDE)])
    last = judge([*block(5, 0.1, "relu"), *block(20, 0.012, "tanh", WIDE)])
    assert (seeds(last), going(last)) == ({"relu": both(5), "tanh": both(20)}, {"relu": set(), "tanh": set()})
    assert first.question is not None
    assert last.question is not None
    assert last.question.pairs[0][1] == first.question.pairs[0][1]
    assert last.question.pairs[0][1].look == 5


def test_seeds_beyond_its_look_do_not_change_a_final_verdict(block: MakeArm, judge: Judge) -> None:
    few = judge([*block(5, 0.1, "relu"), *block(10, 0.012, "tanh", WIDE)])
    rows = [*block(20, 0.1, "relu"), *block(10, 0.012, "tanh", WIDE)]
    for row in rows:
        if row.choices["activation"] == "relu" and row.choices["seed"] >= 5:
            row.measures["test_accuracy"] = 0.5
    many = judge(rows)
    assert many.question is not None
    assert few.question is not None
    assert many.question.pairs[0][1] == few.question.pairs[0][1]


def test_no_block_is_judged_at_a_look_before_all_open_ones_are_there(block: MakeArm, judge: Judge) -> None:
    summary = judge([*block(10, 0.012, "relu", WIDE), *block(5, 0.012, "tanh", WIDE)])
    assert summary.interim_look is not None
    assert (summary.interim_look.number, summary.alpha) == (1, levels(LOOKS, 0.05)[0])
    assert seeds(summary) == {"relu": both(10), "tanh": both(10)}
    early = judge([*block(5, 0.1, "relu"), *block(4, 0.1, "tanh")])
    assert (early.alpha, set(verdicts(early).values())) == (0.0, {"undecided"})
    assert seeds(early) == {"relu": both(5), "tanh": both(5)}


def test_a_pair_equal_in_accuracy_goes_on_only_where_the_last_look_could_compare_rates(
    block: MakeArm, judge: Judge
) -> None:
    rows = block(10, 0.0, "relu")
    near = judge(rows, looks=(10, 20))
    assert (verdicts(near), seeds(near)) == ({"": "equal in accuracy"}, {"": both(10)})
    far = judge(rows, looks=(10, 80))
    assert (verdicts(far), seeds(far)) == ({"": "equal in accuracy"}, {"": both(80)})


def test_the_arms_of_an_open_pair_alone_go_on(block: MakeArm, arm: MakeArm, judge: Judge) -> None:
    rows = [*block(5, 0.012, "relu", WIDE), *arm("c", [0.3 + 0.001 * seed for seed in range(5)], activation="relu")]
    assert seeds(judge(rows)) == {"": {**both(10), "c": 5}}
    assert seeds(judge(rows, question=())) == {"": {**both(10), "c": 5}}
    assert seeds(judge(rows, question=("a", "c"))) == {"": {**both(5), "c": 5}}


def test_a_pair_that_the_last_look_will_hardly_decide_takes_no_more_seeds(block: MakeArm, judge: Judge) -> None:
    wide = 13 * WIDE  # twenty points of spread: neither a point nor equality within a point can be seen
    assert seeds(judge(block(10, 0.0, "relu", wide), looks=(10, 20))) == {"": both(10)}
    assert seeds(judge(block(10, 0.25, "relu", wide), looks=(10, 20))) == {"": both(20)}


def test_runs_that_fail_keep_a_pair_open(arm: MakeArm, judge: Judge) -> None:
    rows = [*arm("a", [0.9] * 10), *arm("b", [*[0.9] * 7, *[0.1] * 3])]
    assert seeds(judge(rows, looks=(10, 20))) == {"": both(20)}


def test_a_final_difference_counts_as_rejected_and_an_open_test_of_a_final_pair_as_never_to_be() -> None:
    def pair(p: float, equivalence_p: float) -> Pair:
        from bench.report.analysis.pairs import Comparison

        accuracy = Comparison(1.0, 0.0, 2.0, 0.0, 2.0, 1.0, p, equivalence_p)
        return Pair("a", "b", 10, "seeds alone", accuracy, Comparison(0.0, 0, 0, 0, 0, 10.0, 1.0, 1.0), 1.0)

    (first,) = decide([pair(0.001, 0.9)], 0.02)
    assert first.verdict == "different"
    final = replace(first, look=5)
    kept, later = decide([final, pair(0.004, 0.9)], 0.0125)
    assert kept == final
    assert later.accuracy.p_adjusted == pytest.approx(3 * 0.004)  # of four tests one is rejected
    undecided = replace(pair(0.001, 0.9), look=5)
    _, later = decide([undecided, pair(0.004, 0.9)], 0.0125)
    assert later.accuracy.p_adjusted == pytest.approx(4 * 0.004)


def test_another_line_is_judged_on_the_seeds_that_were_taken(block: MakeArm, judge: Judge) -> None:
    summary = judge([*block(5, 0.1, "relu"), *block(10, 0.1, "tanh", WIDE), *block(20, 0.012, "elu", WIDE)])
    assert [one.changes for one in summary.other_lines] == [False, False]
