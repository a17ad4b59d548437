from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.report.analysis.arms import arm as arm_of
from bench.report.analysis.arms import outcome
from bench.report.analysis.rules import Rules
from bench.report.statistics import interval, wilson
from bench.report.statistics.comparisons import Difference
from bench.report.statistics.sample import error_of
from bench.rows.correctness import packed
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_an_arm_counts_its_runs_by_outcome_and_its_means_are_over_the_trained(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    lost = [row("a", 4 + place, status=status) for place, status in enumerate(("diverged", "failed", "preempted"))]
    found = arm_of("a", [*arm("a", [0.9, 0.92, 0.91, 0.12]), *lost], rules)
    assert (found.runs, found.ended) == (7, 5)
    assert (found.trained, found.stalled, found.diverged) == (3, 1, 1)
    assert found.lost == {"failed": 1, "preempted": 1}
    assert found.mean == pytest.approx(0.91)
    assert found.accuracy == interval([0.9, 0.92, 0.91], np.random.default_rng(0))
    assert found.by_seed == {0: 0.9, 1: 0.92, 2: 0.91}
    assert (found.first_epoch_accuracy, found.seconds) == (0.5, 2.0)


def test_the_training_rate_is_of_the_runs_that_ended(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    rows = [*arm("a", [0.9, 0.9, 0.1]), row("a", 3, status="diverged"), row("a", 4, status="failed")]
    assert arm_of("a", rows, rules).rate == wilson(2, 4)


def test_the_mean_of_all_counts_a_diverged_run_as_chance_and_a_stalled_one_as_it_is(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    rows = [*arm("a", [0.9, 0.16]), row("a", 2, status="diverged"), row("a", 3, status="failed")]
    assert arm_of("a", rows, rules).mean_of_all == pytest.approx((0.9 + 0.16 + 0.1) / 3)


@pytest.mark.parametrize(
    ("validation", "classes", "expected"),
    [
        (0.19, 10, "stalled"),
        (0.1901, 10, "trained"),
        (0.55, 2, "stalled"),
        (0.551, 2, "trained"),
        (0.101, None, "trained"),
    ],
)
def test_a_run_has_trained_above_a_tenth_of_the_way_from_chance_to_no_error(
    row: MakeRow, rules: Rules, validation: float, classes: int | None, expected: str
) -> None:
    environment = {"test_images": 360, "classes": classes} if classes else {}
    assert outcome(row("a", validation_accuracy=validation, environment=environment), rules) == expected


@pytest.mark.parametrize(("test", "validation", "expected"), [(0.1, 0.9, "trained"), (0.9, 0.1, "stalled")])
def test_the_validation_data_alone_decide_whether_a_run_has_trained(
    row: MakeRow, rules: Rules, test: float, validation: float, expected: str
) -> None:
    assert outcome(row("a", accuracy=test, validation_accuracy=validation), rules) == expected


def test_a_study_may_draw_its_own_line(row: MakeRow, rules: Rules) -> None:
    run = row("a", accuracy=0.4)
    assert [outcome(run, replace(rules, line=line)) for line in (0.0, 0.3, 0.35)] == ["trained", "trained", "stalled"]


def test_what_no_run_has_is_none(row: MakeRow, rules: Rules) -> None:
    failed = arm_of("a", [row("a", status="failed")], rules)
    assert (failed.mean, failed.accuracy, failed.rate, failed.mean_of_all, failed.seconds) == (None,) * 5
    never = arm_of("a", [row("a", status="diverged")], rules)
    assert (never.mean, never.accuracy, never.rate, never.mean_of_all) == (None, None, wilson(0, 1), 0.1)
    assert arm_of("a", [row("a")], rules).accuracy == interval([0.9], np.random.default_rng(0))


def test_a_measure_that_a_trained_run_lacks_has_no_mean(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", [0.9, 0.8])
    del rows[0].measures["seconds"]
    assert arm_of("a", rows, rules).seconds is None


def test_the_interval_of_an_arm_is_the_same_whatever_was_drawn_before(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", [0.9 + seed / 1000 for seed in range(25)])
    assert arm_of("a", rows, rules).accuracy == arm_of("a", rows, rules).accuracy


@pytest.mark.parametrize("measure", ["test_accuracy", "validation_accuracy"])
def test_an_ok_run_without_an_accuracy_is_refused(row: MakeRow, rules: Rules, measure: str) -> None:
    run = row("a")
    run.measures[measure] = None
    with pytest.raises(UserError, match=f"is ok but has no {measure}"):
        arm_of("a", [run], rules)


@pytest.mark.parametrize(
    ("values", "modes"),
    [
        ([0.9, 0.91, 0.4, 0.41], True),
        ([0.9, 0.91, 0.82, 0.83], False),
        ([0.9, 0.8, 0.7, 0.6, 0.5], False),
        ([0.9, 0.6, 0.3], False),
        ([0.9], False),
    ],
)
def test_two_modes_are_groups_farther_apart_than_either_is_wide(
    arm: MakeArm, rules: Rules, values: list[float], modes: bool
) -> None:
    assert arm_of("a", arm("a", values), rules).modes == modes


def answered(row: MakeRow, arm: str, answers: np.ndarray, **choices: object) -> list[Row]:
    environment = {"test_images": answers.shape[1], "classes": 10}
    return [
        row(arm, seed, float(one.mean()), environment=environment, correct=packed(one.astype(bool)), **choices)
        for seed, one in enumerate(answers)
    ]


def test_the_answers_of_runs_make_an_interval_of_seeds_and_images(row: MakeRow, rules: Rules) -> None:
    generator = np.random.default_rng(0)
    answers = generator.random((4, 60)) < generator.beta(2, 0.4, 60)  # some images are hard for every run
    found = arm_of("a", answered(row, "a", answers), rules, 1 / 60)
    assert found.covers == "seeds and test images"
    assert found.accuracy is not None
    expected = Difference(float(answers.mean()), 4, error_of(answers.astype(float), 1 / 60)).interval()
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((expected.low, min(1.0, expected.high or 1)))
    alone = arm_of("a", [row("a", seed, float(one.mean())) for seed, one in enumerate(answers)], rules, 1 / 60)
    assert alone.accuracy is not None
    assert alone.accuracy.value == pytest.approx(found.accuracy.value)
    assert width(found.accuracy) > 1.3 * width(alone.accuracy)


def width(found: object) -> float:
    low, high = (getattr(found, bound) for bound in ("low", "high"))
    return float(high - low)


def test_what_an_interval_covers_is_said(row: MakeRow, rules: Rules) -> None:
    answers = np.ones((3, 8))
    some = answered(row, "a", answers)
    some[0].correct = None
    split = [row("a", seed, dataset__split_seed=None) for seed in range(3)]
    fixed = [row("a", seed, dataset__split_seed=0) for seed in range(3)]
    assert arm_of("a", answered(row, "a", answers), rules).covers == "seeds and test images"
    assert arm_of("a", split, rules).covers == "seeds and splits"
    assert {arm_of("a", rows, rules).covers for rows in (fixed, some, [row("a")])} == {"seeds alone"}


def test_a_run_that_did_not_train_needs_no_answers(row: MakeRow, rules: Rules) -> None:
    rows = [*answered(row, "a", np.ones((3, 8))), row("a", 3, 0.1), row("a", 4, status="diverged")]
    assert arm_of("a", rows, rules).covers == "seeds and test images"


def test_answers_that_some_runs_lack_are_still_of_a_test_set_that_all_share(row: MakeRow, rules: Rules) -> None:
    some = answered(row, "a", np.ones((3, 8)), dataset__split_seed=None)
    some[0].correct = None
    assert arm_of("a", some, rules).covers == "seeds alone"


def test_damaged_answers_are_refused_and_named(row: MakeRow, rules: Rules) -> None:
    rows = answered(row, "a", np.ones((3, 8)))
    rows[1].correct = "no base64"
    with pytest.raises(UserError, match=f"run {rows[1].id}: which images are correct cannot be read"):
        arm_of("a", rows, rules)
    rows = answered(row, "a", np.ones((3, 8)))
    del rows[2].environment["test_images"]
    with pytest.raises(UserError, match="but not how many there are"):
        arm_of("a", rows, rules)
