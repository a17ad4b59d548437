import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]
from statsmodels.stats.weightstats import ttost_paired  # type: ignore[import-untyped]

from bench.report.statistics import Difference, holm, paired_difference, sign_flips
from bench.report.statistics.sample import StandardError


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_the_paired_difference_is_scipys_paired_t_test(generator: Generator, n: int) -> None:
    ours, theirs = generator.normal(0.9, 0.01, n), generator.normal(0.89, 0.01, n)
    expected = stats.ttest_rel(ours, theirs)
    found = paired_difference(ours, theirs)
    assert (found.value, found.n) == (pytest.approx((ours - theirs).mean()), n)
    assert found.p == pytest.approx(expected.pvalue)
    for level in (0.9, 0.95):
        bounds = found.interval(level)
        assert (bounds.low, bounds.high) == pytest.approx(tuple(expected.confidence_interval(level)))


@pytest.mark.parametrize(("n", "shift"), [(2, 0.0), (5, 0.002), (5, -0.002), (20, 0.5)])
def test_equivalence_is_the_tost_of_statsmodels(generator: Generator, n: int, shift: float) -> None:
    ours, theirs = generator.normal(0.9, 0.002, n) + shift, generator.normal(0.9, 0.002, n)
    expected = ttost_paired(ours, theirs, -0.01, 0.01)[0]
    assert paired_difference(ours, theirs).equivalence(0.01) == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_arms_are_equivalent_exactly_where_the_interval_of_the_test_lies_in_the_margin(
    generator: Generator, alpha: float
) -> None:
    """At 1 - 2 alpha: the 90 % interval belongs to a test at 5 %."""
    verdicts = []
    for _ in range(300):
        runs, images = generator.uniform(0.1, 1, 2) * (1, generator.integers(2))
        error = StandardError(float(runs), float(generator.uniform(1, 30)), float(images), 99)
        found = Difference(float(generator.normal()), 5, error)
        close = found.equivalence(1.0)
        bounds = found.interval(1 - 2 * alpha)
        assert close is not None
        assert bounds.low is not None
        assert bounds.high is not None
        assert (close < alpha) == (bounds.low > -1 and bounds.high < 1)
        verdicts.append(close < alpha)
    assert 5 < sum(verdicts) < 295


@pytest.mark.parametrize("m", [1, 2, 28])
def test_holm_is_that_of_statsmodels_in_any_order(generator: Generator, m: int) -> None:
    p = generator.uniform(0, 0.1, m)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    shuffled = generator.permutation(m)
    assert holm(p[shuffled]) == pytest.approx(holm(p)[shuffled])


def test_holm_of_three_by_hand_keeps_the_order_given_and_the_steps_rising() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("values", [[1.0], [1.0, -2.0], [3.0, 1.0, 2.0, 2.0], [0.1, 0.2, -0.3], [0.1] * 6 + [-0.1] * 3])
def test_sign_flips_count_every_change_of_signs(generator: Generator, values: list[float]) -> None:
    whole = [round(10 * value) for value in values]  # whole numbers have exact sums
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, whole, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(whole))
    ]
    assert sign_flips(values, generator) == sum(one >= abs(sum(whole)) for one in sums) / len(sums)


def test_sign_flips_are_the_permutation_test_of_scipy(generator: Generator) -> None:
    values = generator.normal(0.5, 1, 9)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flips(values, generator) == pytest.approx(expected)


def test_drawn_sign_flips_come_close_to_counted_ones_and_are_never_zero(generator: Generator) -> None:
    values = generator.normal(0.4, 1, 17)
    signs = np.array([*itertools.product((1, -1), repeat=17)])
    exact = (np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean()
    assert sign_flips(values, generator) == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert sign_flips(np.ones(40), generator) == 1 / 20_000


def test_five_seeds_in_two_modes_that_fall_the_same_way_by_chance_are_no_difference(generator: Generator) -> None:
    assert sign_flips([50.0, 50.1, 49.9, 50.0, 50.2], generator) == 2 / 2**5


def test_a_single_pair_has_a_difference_and_no_interval_and_no_test() -> None:
    single = paired_difference([0.9], [0.8])
    assert single.value == pytest.approx(0.1)
    assert (single.interval().low, single.interval().high) == (None, None)
    assert (single.p, single.equivalence(0.5)) == (None, None)


def test_without_a_resolution_equal_differences_claim_certainty() -> None:
    same, half = [0.5, 0.25, 0.75], [0.0, -0.25, 0.25]
    assert paired_difference(same, same).p == 1
    assert paired_difference(same, half).p == 0
    assert paired_difference(same, same).equivalence(0.1) == 0
    assert paired_difference(same, half).equivalence(0.1) == 1


def test_a_resolution_keeps_two_lucky_seeds_from_being_certain() -> None:
    """Both seeds gain exactly one of 360 images: t = 1 / (1 / sqrt 2) on one degree of freedom."""
    image = 1 / 360
    found = paired_difference([0.9, 0.8], [0.9 - image, 0.8 - image], resolution=image)
    assert found.p == pytest.approx(2 * stats.t.sf(math.sqrt(2), 1))
    tied = paired_difference([0.9, 0.8], [0.9, 0.8], resolution=image)
    assert tied.equivalence(image) == pytest.approx(stats.t.sf(math.sqrt(2), 1))


def test_a_resolution_below_the_spread_changes_nothing(generator: Generator) -> None:
    ours, theirs = generator.normal(0.9, 0.01, (2, 5))
    assert paired_difference(ours, theirs, resolution=1e-4) == paired_difference(ours, theirs)


@pytest.mark.parametrize(
    "ask",
    [
        lambda bad: paired_difference([0.9, bad], [0.8, 0.8]),
        lambda bad: paired_difference([0.9, 0.8], [bad, 0.8]),
        lambda bad: paired_difference([[0.9, bad], [0.8, 0.8]], [[0.9, 0.7], [0.8, 0.8]]),
        lambda bad: sign_flips([0.5, bad], np.random.default_rng(0)),
        lambda bad: holm([0.5, bad]),
    ],
)
@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_no_statistic_passes_a_missing_number_on(ask: Callable[[Any], object], bad: float | None) -> None:
    with pytest.raises(ValueError, match="numbers"):
        ask(bad)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: paired_difference([0.9, 0.8], [0.9]),
        lambda: paired_difference([], []),
        lambda: paired_difference([0.9, 0.8], [0.9, 0.8]).equivalence(0.0),
        lambda: paired_difference([0.9, 0.8], [0.9, 0.8]).equivalence(math.nan),
        lambda: paired_difference([0.9], [0.8]).equivalence(-1.0),
        lambda: paired_difference([0.9, 0.8], [0.9, 0.7]).interval(95),
        lambda: sign_flips([], np.random.default_rng(0)),
        lambda: sign_flips([[1.0]], np.random.default_rng(0)),
        lambda: holm([-0.1]),
        lambda: holm([1.1]),
    ],
)
def test_a_question_without_an_answer_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"not|cannot"):
        ask()


def test_holm_keeps_the_family_wise_error_of_arms_that_do_not_differ(generator: Generator) -> None:
    """1,000 blocks of four equal arms: one false difference or more in at most 5 %, plus four standard errors."""

    def block(arms: NDArray[np.float64]) -> bool:
        p = [paired_difference(arms[i], arms[j]).p for i in range(4) for j in range(i)]
        return bool((holm([value for value in p if value is not None]) < 0.05).any())

    false = sum(block(generator.normal(0.9, 0.01, (4, 5))) for _ in range(1000))
    assert 0 < false / 1000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)


def test_equivalence_is_rarely_claimed_at_the_edge_of_the_margin(generator: Generator) -> None:
    """1,000 pairs of arms that differ by exactly the margin: equivalent in at most 5 %, plus four standard errors."""
    pairs = generator.normal(0.9, 0.01, (1000, 2, 5))
    false = sum((paired_difference(ours + 0.02, theirs).equivalence(0.02) or 0) < 0.05 for ours, theirs in pairs)
    assert 0 < false / 1000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)
