"""What a verdict may say: cases in which a summary once said more than its rows allow."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.report import Summary, summarize
from bench.report.analysis.pairs import Pair
from bench.report.analysis.rules import Margin, Rules
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Judge = Callable[..., Summary]

LAW = np.random.default_rng(0).normal(0, 0.004, (3, 40))  # of accuracies around their mean


@pytest.fixture
def judge(rules: Rules) -> Judge:
    """The summary of rows by rules whose question is a against b; settings replace those of the rules."""

    def judge(rows: list[Row], **settings: object) -> Summary:
        return summarize(rows, replace(rules, question=("a", "b"), **settings))

    return judge


def pair_of(summary: Summary) -> Pair:
    pair = summary.findings[0].pair("a", "b")
    assert pair is not None
    return pair


def answers(summary: Summary) -> list[str]:
    assert summary.question is not None
    return summary.question.verdicts


def failing(row: MakeRow, arm: str, failures: int, runs: int = 10, status: str = "diverged", law: int = 0) -> list[Row]:
    """Runs of an arm around 0.9, of which the last ones diverge, or stall where the status is ok."""
    return [
        row(arm, seed, 0.9 + LAW[law][seed])
        if seed < runs - failures
        else row(arm, seed, 0.1 if status == "ok" else None, status)
        for seed in range(runs)
    ]


@pytest.mark.parametrize("status", ["diverged", "ok"])
@pytest.mark.parametrize(
    ("failures", "verdict"), [(1, "undecided"), (5, "different"), (8, "different"), (10, "different")]
)
def test_an_arm_that_fails_is_never_called_equivalent(
    row: MakeRow, judge: Judge, failures: int, status: str, verdict: str
) -> None:
    """Whether its runs diverge or stall; with 10 of 10 it has no mean, and the question is answered all the same."""
    summary = judge([*failing(row, "a", 0), *failing(row, "b", failures, status=status, law=1)])
    assert pair_of(summary).verdict == verdict
    assert answers(summary) == [verdict]
    assert summary.findings[0].verdict == ("matters" if verdict == "different" else "equal in accuracy")
    if verdict == "different":
        assert pair_of(summary).better == "a"
        assert summary.findings[0].leading == ["a"]


def test_survivors_that_agree_do_not_make_up_for_runs_that_failed(row: MakeRow, judge: Judge) -> None:
    """The two that trained of ten equal those of the other arm to the last digit."""
    pair = pair_of(judge([*failing(row, "a", 0), *failing(row, "b", 8)], margin=Margin(points=20.0)))
    assert pair.accuracy.difference == 0
    assert (pair.seeds, pair.accuracy.verdict, pair.verdict) == (2, "undecided", "different")


def test_equal_arms_of_which_one_fails_in_three_of_ten_are_not_equivalent(row: MakeRow, judge: Judge) -> None:
    summary = judge([*failing(row, "a", 0, 40), *failing(row, "b", 12, 40)])
    assert pair_of(summary).accuracy.verdict == "equivalent"
    assert pair_of(summary).verdict == "different"


def test_a_run_that_does_not_train_is_stalled_and_in_no_mean(row: MakeRow, judge: Judge) -> None:
    summary = judge([*failing(row, "a", 0), *failing(row, "b", 3, status="ok")])
    assert summary.counts == {"trained": 17, "stalled": 3, "diverged": 0, "failed": 0, "preempted": 0}
    stalled = summary.findings[0].arm("b")
    assert stalled is not None
    assert stalled.mean == pytest.approx(0.9 + LAW[0][:7].mean())
    assert stalled.mean_of_all == pytest.approx((7 * stalled.mean + 3 * 0.1) / 10)


def test_two_arms_that_never_train_are_not_called_equivalent(row: MakeRow, judge: Judge) -> None:
    for status in ("ok", "diverged"):
        summary = judge([*failing(row, "a", 40, 40, "ok"), *failing(row, "b", 40, 40, status)])
        assert pair_of(summary).verdict == "neither trains"
        assert answers(summary) == [summary.findings[0].verdict] == ["neither trains"]
        assert (pair_of(summary).better, summary.findings[0].leading) == (None, [])


@pytest.fixture
def small(arm: MakeArm) -> list[Row]:
    """A difference of -1.0 points with a 95 % interval from -1.5 to -0.6, over ten seeds."""
    steps = np.array([-1.0, -1.0, -1.8, -0.2, -1.3, -0.7, -1.9, -0.3, -1.5, -0.8]) * 1.05
    return [*arm("a", list(0.9 + steps / 100)), *arm("b", [0.9] * 10)]


@pytest.mark.parametrize("third", [None, 0.9, 0.89, 0.3, 0.1, "diverged", "failed"])
def test_a_real_difference_within_the_margin_is_called_so_whatever_a_third_arm_does(
    small: list[Row], row: MakeRow, judge: Judge, third: float | str | None
) -> None:
    more: list[Row] = []
    if third is not None:
        status = third if isinstance(third, str) else "ok"
        more = [row("c", seed, third if isinstance(third, float) else None, status) for seed in range(10)]
    summary = judge([*small, *more], margin=Margin(points=2.0))
    found = pair_of(summary)
    assert found.accuracy.difference == pytest.approx(-1.1, abs=0.1)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((-1.5, -0.6), abs=0.1)
    assert found.verdict == found.accuracy.verdict == "different, within the margin"
    assert answers(summary) == ["different, within the margin"]
    assert found.better is None


def test_the_same_difference_is_different_where_the_margin_is_smaller(small: list[Row], judge: Judge) -> None:
    found = pair_of(judge(small, margin=Margin(points=0.5)))
    assert (found.verdict, found.better) == ("different", "b")


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "undecided"), (4, "undecided"), (5, "equivalent")])
def test_tied_seeds_are_equivalent_from_five_on(arm: MakeArm, judge: Judge, seeds: int, verdict: str) -> None:
    found = pair_of(judge([*arm("a", [0.9] * seeds), *arm("b", [0.9] * seeds)]))
    assert found.accuracy.verdict == verdict
    assert (found.accuracy.equivalence_p is None) == (seeds < 5)
    assert found.verdict == "undecided"  # five runs say little of the rates


def test_five_seeds_that_both_arms_share_are_wanted_not_five_of_each(row: MakeRow, judge: Judge) -> None:
    rows = [*failing(row, "a", 0, 8), *failing(row, "b", 4, 8)]
    assert pair_of(judge(rows)).seeds == 4
    assert pair_of(judge(rows)).accuracy.equivalence_p is None


@pytest.mark.parametrize("images", [100, 360, 10_000, None])
@pytest.mark.parametrize(("declared", "points"), [(1.0, 1.0), ("25%", 0.5), ("50%", 1.0)])
def test_no_test_set_widens_the_margin(
    arm: MakeArm, judge: Judge, images: int | None, declared: float | str, points: float
) -> None:
    environment = {"classes": 10} if images is None else {"test_images": images, "classes": 10}
    rows = [*arm("a", [0.98] * 5, environment=environment), *arm("b", [0.95] * 5, environment=environment)]
    summary = judge(rows, margin=Margin.of(declared))
    assert pair_of(summary).accuracy.margin == pytest.approx(points)
    assert summary.findings[0].margin == pytest.approx(points)


def test_a_doubled_error_matters_where_the_margin_is_a_share_of_it(arm: MakeArm, judge: Judge) -> None:
    """Errors of 1.2 and 2.4 %: within a margin of 1.58 points, but not of a quarter of the better error."""
    rows = [*arm("a", list(0.988 + LAW[0][:20] / 4)), *arm("b", list(0.976 + LAW[1][:20] / 4))]
    assert pair_of(judge(rows, margin=Margin(points=1.58))).verdict == "different, within the margin"
    assert pair_of(judge(rows, margin=Margin.of("25%"))).verdict == "different"


@pytest.mark.parametrize("test_images", [None, 400])
def test_arms_without_an_error_have_a_share_of_nothing_as_margin(
    arm: MakeArm, judge: Judge, test_images: int | None
) -> None:
    """None but a share of one image, where the number of images is known."""
    environment = {"test_images": test_images, "classes": 10} if test_images else {"classes": 10}
    rows = [*arm("a", [1.0] * 6, environment=environment), *arm("b", [1.0] * 6, environment=environment)]
    summary = judge(rows, margin=Margin.of("25%"))
    assert pair_of(summary).accuracy.margin == (0.0625 if test_images else 0)
    assert pair_of(summary).verdict == "undecided"
    assert (summary.power[0].one_pair.equivalence is None) == (test_images is None)


def test_the_leading_set_is_named_where_leader_and_runner_up_do_not_differ(arm: MakeArm, judge: Judge) -> None:
    """a has the highest mean and beats c, b is shown to differ from neither."""
    wide = 5 * (LAW[1][:10] - LAW[1][:10].mean())
    rows = [
        *arm("a", list(0.92 + LAW[0][:10])),
        *arm("b", list(0.915 + wide)),
        *arm("c", list(0.9 + LAW[2][:10])),
    ]
    finding = judge(rows).findings[0]
    assert finding.verdict == "matters"
    assert [one.name for one in finding.arms] == ["a", "b", "c"]
    assert finding.leading == ["a", "b"]


def test_an_arm_that_trains_more_often_and_is_less_accurate_beats_nobody(
    arm: MakeArm, row: MakeRow, judge: Judge
) -> None:
    rows = [*arm("a", list(0.85 + LAW[0][:20])), *failing(row, "b", 12, 20, law=1)]
    found = pair_of(judge(rows))
    assert (found.rate.verdict, found.rate.sign) == ("different", 1)
    assert (found.accuracy.verdict, found.accuracy.sign) == ("different", -1)
    assert (found.verdict, found.better) == ("different", None)
    assert judge(rows).findings[0].leading == ["b", "a"]


def test_a_study_of_equal_arms_rarely_finds_one_that_matters(row: MakeRow, rules: Rules) -> None:
    """200 studies of 4 blocks and 4 arms, 30 % of whose runs fail: any difference in at most 5 %, plus four errors."""
    generator = np.random.default_rng(5)
    false = 0
    for _ in range(200):
        trains = generator.random((4, 4, 5)) < 0.7
        reached = generator.normal(0.9, 0.012, (4, 4, 5))
        rows = [
            row(str(arm), seed, float(reached[at]) if trains[at] else 0.1, model__width=width)
            for at in np.ndindex(4, 4, 5)
            for width, arm, seed in [at]
        ]
        false += any(finding.verdict == "matters" for finding in summarize(rows, rules).findings)
    assert false / 200 < 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_a_rare_failure_is_never_called_equivalent(row: MakeRow, rules: Rules) -> None:
    """300 pairs of one law, of which one arm fails in a tenth of its runs: the edge of the rate margin."""
    generator = np.random.default_rng(6)
    false = 0
    for _ in range(300):
        runs = int(generator.choice([10, 30, 45]))
        reached, fails = generator.normal(0.9, 0.003, (2, runs)), generator.random(runs) < 0.1
        rows = [row("a", seed, float(reached[0][seed])) for seed in range(runs)]
        rows += [row("b", seed, 0.1 if fails[seed] else float(reached[1][seed])) for seed in range(runs)]
        false += summarize(rows, rules).findings[0].pairs[0].verdict == "equivalent"
    assert false / 300 < 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5
