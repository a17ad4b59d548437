"""Two arms against each other: the tests of both endpoints, the families, the words."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]
from statsmodels.stats.weightstats import ttost_paired  # type: ignore[import-untyped]

from bench.report import Summary, summarize
from bench.report.analysis.pairs import Pair, seen_from
from bench.report.analysis.rules import Margin, Rules
from bench.report.statistics import boschloo, newcombe, paired_difference, rate_equivalence, sign_flips
from bench.rows.correctness import packed
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Compare = Callable[..., Pair]

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]
OTHER = NOISE[::-1]
WIDE = [0.05, -0.05, 0.02, -0.03, 0.01]


def around(center: float, noise: Sequence[float] = NOISE) -> list[float]:
    return [center + step for step in noise]


@pytest.fixture
def compare(rules: Rules) -> Compare:
    """The pair of the first two arms of a single block."""

    def one(rows: list[Row], rules: Rules = rules) -> Pair:
        return summarize(rows, rules).findings[0].pairs[0]

    return one


def pairs(summary: Summary) -> list[Pair]:
    return [pair for finding in summary.findings for pair in finding.pairs]


def lost(row: MakeRow, name: str, seeds: Sequence[int], **choices: object) -> list[Row]:
    return [row(name, seed, status="diverged", **choices) for seed in seeds]


def test_accuracies_are_tested_over_the_seeds_where_both_arms_trained(
    arm: MakeArm, row: MakeRow, compare: Compare
) -> None:
    ours, theirs = around(0.95, WIDE), around(0.93, OTHER)
    pair = compare([*arm("a", [*ours, 0.99]), *arm("b", [*theirs, 0.1]), row("b", 7)])
    found = pair.accuracy
    expected = stats.ttest_rel(100 * np.array(ours), 100 * np.array(theirs))
    assert (pair.initializer, pair.other, pair.seeds) == ("a", "b", 5)
    assert found.difference == pytest.approx(100 * (np.mean(ours) - np.mean(theirs)))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (found.close_low, found.close_high) == pytest.approx(tuple(expected.confidence_interval(0.90)))
    assert found.equivalence_p == pytest.approx(ttost_paired(100 * np.array(ours), 100 * np.array(theirs), -1, 1)[0])


def test_rates_are_tested_over_all_runs_that_ended(arm: MakeArm, row: MakeRow, compare: Compare) -> None:
    ours = [*arm("a", around(0.9)), *lost(row, "a", (5, 6)), row("a", 7, 0.1), row("a", 8, status="failed")]
    pair = compare([*ours, *arm("b", around(0.8, OTHER)), row("b", 5, status="preempted")])
    found, expected = pair.rate, newcombe(5, 8, 5, 5)
    assert found.difference == pytest.approx(-37.5)
    assert (found.low, found.high) == pytest.approx((100 * (expected.low or 0), 100 * (expected.high or 0)))
    assert (found.p, found.equivalence_p) == (boschloo(5, 8, 5, 5), rate_equivalence(5, 8, 5, 5, 0.1))
    assert found.margin == 10
    assert pair.of_all == pytest.approx(100 * ((5 * 0.9 + 3 * 0.1) / 8 - 0.8))


def test_both_endpoints_in_all_blocks_are_one_family_times_the_pairs_of_arms(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    generator = np.random.default_rng(4)
    rows = [
        run
        for model in ("plain14", "resnet20")
        for name in "abc"
        for run in arm(name, list(generator.normal(0.9, 0.004, 8)), model=model)
    ]
    for place in (3, 9, 10, 40):
        rows[place].status = "diverged"
    found = pairs(summarize(rows, rules))
    for names in ("ab", "ac", "bc"):
        family = [pair for pair in found if pair.names == set(names)]
        assert len(family) == 2
        differs = [test.p for pair in family for test in (pair.accuracy, pair.rate)]
        adjusted = [test.p_adjusted for pair in family for test in (pair.accuracy, pair.rate)]
        assert adjusted == pytest.approx(np.minimum(1, 3 * multipletests(differs, method="holm")[1]))
        for of in (lambda pair: pair.accuracy, lambda pair: pair.rate):
            close = multipletests([of(pair).equivalence_p for pair in family], method="holm")[1]
            assert [of(pair).equivalence_p_adjusted for pair in family] == pytest.approx(np.minimum(1, 3 * close))
        both = [max(pair.accuracy.equivalence_p, pair.rate.equivalence_p) for pair in family]  # type: ignore[type-var]
        expected = np.minimum(1, 3 * multipletests(both, method="holm")[1])
        assert [pair.equivalence_p_adjusted for pair in family] == pytest.approx(expected)


def test_a_test_that_could_not_be_made_still_counts_in_its_family(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    """Of four tests in two blocks one is missing, for the arms share no trained seed there."""
    one = [*arm("a", around(0.9)), *arm("b", around(0.899, WIDE))]
    two = [*arm("a", around(0.9), model="plain14"), *lost(row, "b", range(5), model="plain14")]
    plain, residual = pairs(summarize([*one, *two], rules))
    assert (plain.accuracy.p, plain.accuracy.p_adjusted) == (None, None)
    assert plain.rate.p_adjusted == pytest.approx(4 * boschloo(5, 5, 0, 5))
    assert residual.accuracy.p_adjusted == pytest.approx(min(1.0, 3 * (residual.accuracy.p or 0)))


@pytest.mark.parametrize(
    ("theirs", "margin", "runs", "verdict"),
    [
        (around(0.85, OTHER), 1.0, 1, "different"),
        (around(0.895, OTHER), 1.0, 1, "different, within the margin"),
        (around(0.9, OTHER), 1.0, 7, "equivalent"),
        (around(0.9, OTHER), 1.0, 1, "undecided"),  # too few runs to exclude another rate of training
        (around(0.9, WIDE), 1.0, 7, "undecided"),
        (around(0.895, OTHER), 0.5, 7, "different"),  # on the edge of the margin
    ],
)
def test_the_four_words(
    arm: MakeArm, rules: Rules, compare: Compare, theirs: list[float], margin: float, runs: int, verdict: str
) -> None:
    rows = [*arm("a", around(0.9) * runs), *arm("b", theirs * runs)]
    assert compare(rows, replace(rules, margin=Margin(points=margin))).verdict == verdict


@pytest.mark.parametrize(("runs", "rate_open", "verdict"), [(5, True, "undecided"), (30, False, "equivalent")])
def test_equal_accuracies_leave_the_rate_open_where_the_runs_are_few(
    arm: MakeArm, compare: Compare, runs: int, rate_open: bool, verdict: str
) -> None:
    pair = compare([*arm("a", around(0.9) * (runs // 5)), *arm("b", around(0.9, OTHER) * (runs // 5))])
    assert pair.accuracy.verdict == "equivalent"
    assert (pair.rate_open, pair.verdict) == (rate_open, verdict)


def test_a_difference_within_the_margin_may_leave_the_rate_open_too(arm: MakeArm, compare: Compare) -> None:
    few, many = (compare([*arm("a", around(0.9) * count), *arm("b", around(0.895, OTHER) * count)]) for count in (1, 7))
    assert (few.verdict, few.rate_open) == ("different, within the margin", True)
    assert (many.verdict, many.rate_open) == ("different, within the margin", False)


def test_rates_that_differ_within_their_margin_keep_arms_from_being_called_equivalent(
    arm: MakeArm, row: MakeRow, rules: Rules, compare: Compare
) -> None:
    """Half of 30 runs against all: within a rate margin of 90 points."""
    rows = [*arm("a", around(0.9) * 6), *arm("b", around(0.9, OTHER) * 3), *lost(row, "b", range(15, 30))]
    pair = compare(rows, replace(rules, rate_margin=0.9))
    assert (pair.accuracy.verdict, pair.rate.verdict) == ("equivalent", "different, within the margin")
    assert (pair.verdict, pair.better) == ("different, within the margin", None)


def test_one_endpoint_that_differs_makes_the_pair_different(arm: MakeArm, row: MakeRow, compare: Compare) -> None:
    rate = compare([*arm("a", around(0.9) * 2), *arm("b", around(0.9, OTHER)), *lost(row, "b", range(5, 10))])
    assert (rate.accuracy.verdict, rate.rate.verdict, rate.verdict) == ("equivalent", "different", "different")
    assert (rate.better, rate.rate_open) == ("a", False)
    accuracy = compare([*arm("a", around(0.8)), *arm("b", around(0.9, OTHER))])
    assert (accuracy.rate.verdict, accuracy.verdict, accuracy.better) == ("undecided", "different", "b")


def test_an_arm_better_in_one_endpoint_and_worse_in_the_other_beats_nobody(
    arm: MakeArm, row: MakeRow, compare: Compare
) -> None:
    rows = [*arm("a", around(0.9) * 3), *arm("b", around(0.99, OTHER)), *lost(row, "b", range(5, 15))]
    pair = compare(rows)
    assert (pair.verdict, pair.rate.verdict, pair.accuracy.verdict) == ("different",) * 3
    assert pair.better is None
    assert pair.turned().better is None


def test_an_arm_that_is_more_accurate_but_not_over_all_its_runs_beats_nobody(
    arm: MakeArm, row: MakeRow, compare: Compare
) -> None:
    """Three failures of ten are no proof of another rate, but cost more than five points are worth."""
    rows = [*arm("a", (around(0.99) * 2)[:7]), *lost(row, "a", (7, 8, 9)), *arm("b", around(0.94, OTHER) * 2)]
    pair = compare(rows)
    assert (pair.accuracy.verdict, pair.rate.verdict, pair.verdict) == ("different", "undecided", "different")
    assert pair.better is None
    assert compare([*rows[:7], *rows[10:]]).better == "a"


def test_fewer_than_five_shared_seeds_leave_accuracies_undecided(arm: MakeArm, row: MakeRow, compare: Compare) -> None:
    """Their interval is shown all the same."""
    few, enough = (
        compare([*arm("a", (around(0.9) * 2)[:seeds]), *arm("b", (around(0.5, OTHER) * 2)[:6])]) for seeds in (4, 5)
    )
    assert (few.accuracy.p, few.accuracy.equivalence_p, few.verdict) == (None, None, "undecided")
    assert (few.accuracy.low or 0) > 39
    assert enough.verdict == "different"


def test_one_shared_seed_gives_a_difference_without_interval_and_none_gives_nothing(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    rows = [*arm("a", [0.9]), *arm("b", [0.8]), row("c", 5, 0.7)]
    one, none, _ = summarize(rows, rules).findings[0].pairs
    assert one.accuracy.difference == pytest.approx(10)
    assert (one.accuracy.low, one.accuracy.p, one.verdict) == (None, None, "undecided")
    assert (none.seeds, none.accuracy.difference, none.verdict) == (0, None, "undecided")


def test_an_arm_of_which_no_run_ended_is_in_no_pair_and_one_that_never_trains_is(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    rows = [*arm("a", [0.9]), row("b", status="failed"), row("c", status="diverged")]
    assert [pair.names for pair in summarize(rows, rules).findings[0].pairs] == [{"a", "c"}]


def test_two_modes_are_tested_by_sign_changes_as_well(arm: MakeArm, compare: Compare) -> None:
    """Five seeds that all fall the same way are no difference at 5 %, however small their spread."""
    ours, theirs = around(0.9), [0.5, 0.501, 0.499, 0.86, 0.85]
    pair = compare([*arm("a", ours), *arm("b", theirs)])
    gaps = np.array(ours) - theirs
    assert pair.accuracy.p == sign_flips(gaps, np.random.default_rng(0)) == 2 / 2**5
    assert (paired_difference(ours, theirs).p or 1) < pair.accuracy.p
    assert pair.verdict == "undecided"
    ten = compare([*arm("a", ours * 2), *arm("b", theirs * 2)])
    assert ten.verdict == "different"


def test_a_pair_turned_around_is_the_pair_of_the_other_order(arm: MakeArm, compare: Compare) -> None:
    there = compare([*arm("a", around(0.95)), *arm("b", around(0.90, OTHER))])
    turned = there.turned()
    assert (turned.initializer, turned.other, turned.better) == ("b", "a", "a")
    for now, before in ((turned.accuracy, there.accuracy), (turned.rate, there.rate)):
        assert (now.difference, now.low, now.high) == (
            -(before.difference or 0),
            -(before.high or 0),
            -(before.low or 0),
        )
        assert (now.close_low, now.close_high) == (-(before.close_high or 0), -(before.close_low or 0))
        assert (now.p_adjusted, now.verdict) == (before.p_adjusted, before.verdict)
    assert turned.turned() == there
    assert [pair.initializer for pair in seen_from("b", [there])] == ["b"]
    assert turned.of_all == -there.of_all


def answered(row: MakeRow, name: str, answers: np.ndarray) -> list[Row]:
    environment = {"test_images": answers.shape[1], "classes": 10}
    return [
        row(name, seed, float(one.mean()), environment=environment, correct=packed(one))
        for seed, one in enumerate(answers)
    ]


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Five runs of two arms on 400 images: a is right on 8 images on which b is wrong, in every run."""
    generator = np.random.default_rng(1)
    easy = generator.random(400) < 0.9
    both = [easy ^ (generator.random((5, 400)) < 0.01) for _ in range(2)]
    both[0][:, :8], both[1][:, :8] = True, False
    return both[0], both[1]


def test_a_difference_on_shared_images_covers_other_images_too(
    row: MakeRow, compare: Compare, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    ours, theirs = answers
    rows = [*answered(row, "a", ours), *answered(row, "b", theirs)]
    with_images = compare(rows)
    for one in rows:
        one.correct = None
    alone = compare(rows)
    expected = paired_difference(100.0 * ours, 100.0 * theirs, 100 / 400)
    assert (with_images.covers, alone.covers) == ("seeds and test images", "seeds alone")
    assert with_images.accuracy.difference == pytest.approx(alone.accuracy.difference)
    assert (with_images.accuracy.low, with_images.accuracy.p) == (expected.interval().low, expected.p)
    assert with_images.accuracy.low is not None
    assert alone.accuracy.low is not None
    assert with_images.accuracy.low < alone.accuracy.low
    assert (with_images.accuracy.p or 0) > 20 * (alone.accuracy.p or 0)


def test_the_verdict_is_that_of_seeds_and_images(row: MakeRow, compare: Compare) -> None:
    """Two images of 100 that a alone has right, in every run: certain for these images, chance for others."""
    ours = np.ones((6, 100), bool)
    theirs = ours.copy()
    theirs[:, :3] = False
    theirs[0, 50] = theirs[1, 60] = False
    rows = [*answered(row, "a", ours), *answered(row, "b", theirs)]
    assert compare(rows).verdict == "undecided"
    for one in rows:
        one.correct = None
    assert compare(rows).verdict == "different"


def test_a_pair_covers_the_images_only_where_both_arms_kept_their_answers(
    row: MakeRow, compare: Compare, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    rows = [*answered(row, "a", answers[0]), *answered(row, "b", answers[1])]
    rows[7].correct = None
    for ordered in (rows, [*rows[5:], *rows[:5]]):
        assert compare(ordered).covers == "seeds alone"
    split = [*[row("a", seed, dataset__split_seed=None) for seed in range(3)]]
    assert (
        compare([*split, *[row("b", seed, dataset__split_seed=None) for seed in range(3)]]).covers == "seeds and splits"
    )
