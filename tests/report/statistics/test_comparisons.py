import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]
from statsmodels.stats.weightstats import ttost_paired  # type: ignore[import-untyped]

from bench.report.statistics import equivalence, holm, mean, paired_difference, wilson


@pytest.fixture
def generator() -> Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_the_t_interval_of_a_mean_is_scipys(generator: Generator, n: int) -> None:
    values = generator.normal(0.9, 0.01, n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean(values)
    assert found.n == n
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), expected.low, expected.high))


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_the_paired_difference_is_scipys_paired_t_test(generator: Generator, n: int) -> None:
    ours, theirs = generator.normal(0.9, 0.01, n), generator.normal(0.89, 0.01, n)
    expected = stats.ttest_rel(ours, theirs)
    found = paired_difference(ours, theirs)
    assert found.value == pytest.approx((ours - theirs).mean())
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


@pytest.mark.parametrize(("n", "shift"), [(2, 0.0), (5, 0.002), (5, -0.002), (20, 0.5)])
def test_equivalence_is_the_tost_of_statsmodels(generator: Generator, n: int, shift: float) -> None:
    ours, theirs = generator.normal(0.9, 0.002, n) + shift, generator.normal(0.9, 0.002, n)
    assert equivalence(ours, theirs, 0.01) == pytest.approx(ttost_paired(ours, theirs, -0.01, 0.01)[0])


@pytest.mark.parametrize("m", [1, 2, 28])
def test_holm_is_that_of_statsmodels_in_any_order(generator: Generator, m: int) -> None:
    p = generator.uniform(0, 0.1, m)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    shuffled = generator.permutation(m)
    assert holm(p[shuffled]) == pytest.approx(holm(p)[shuffled])


def test_holm_of_three_by_hand_keeps_the_order_given_and_the_steps_rising() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]).tolist() == []


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 5), (1, 5), (5, 5), (17, 60)])
def test_the_interval_of_a_rate_is_the_wilson_interval_of_statsmodels(count: int, total: int) -> None:
    found = wilson(count, total)
    assert (found.low, found.high) == pytest.approx(proportion_confint(count, total, method="wilson"), abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_single_value_has_a_mean_and_no_interval() -> None:
    single = paired_difference([0.9], [0.8])
    assert (mean([0.9]).value, mean([0.9]).low, mean([0.9]).high) == (0.9, None, None)
    assert single.value == pytest.approx(0.1)
    assert (single.low, single.high, single.p) == (None, None, None)


def test_without_a_resolution_equal_differences_claim_certainty() -> None:
    same, half = [0.5, 0.25, 0.75], [0.0, -0.25, 0.25]
    assert paired_difference(same, same).p == 1
    assert paired_difference(same, half).p == 0
    assert equivalence(same, same, 0.1) == 0
    assert equivalence(same, half, 0.1) == 1


def test_a_resolution_keeps_two_lucky_seeds_from_being_certain() -> None:
    """Both seeds gain exactly one of 360 images: t = 1 / (1 / sqrt 2) on one degree of freedom."""
    image = 1 / 360
    found = paired_difference([0.9, 0.8], [0.9 - image, 0.8 - image], resolution=image)
    assert found.p == pytest.approx(2 * stats.t.sf(math.sqrt(2), 1))
    assert equivalence([0.9, 0.8], [0.9, 0.8], image, resolution=image) == pytest.approx(stats.t.sf(math.sqrt(2), 1))


def test_a_resolution_below_the_spread_changes_nothing(generator: Generator) -> None:
    ours, theirs = generator.normal(0.9, 0.01, (2, 5))
    assert paired_difference(ours, theirs, resolution=1e-4) == paired_difference(ours, theirs)


@pytest.mark.parametrize(
    "ask",
    [
        lambda bad: mean([0.9, bad]),
        lambda bad: paired_difference([0.9, bad], [0.8, 0.8]),
        lambda bad: paired_difference([0.9, 0.8], [bad, 0.8]),
        lambda bad: equivalence([0.9, bad], [0.8, 0.8], 0.1),
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
        lambda: mean([]),
        lambda: mean([[0.9, 0.8]]),
        lambda: paired_difference([0.9, 0.8], [0.9]),
        lambda: equivalence([0.9], [0.9], 0.1),
        lambda: equivalence([0.9, 0.8], [0.9, 0.8], 0.0),
        lambda: equivalence([0.9, 0.8], [0.9, 0.8], math.nan),
        lambda: wilson(0, 0),
        lambda: wilson(3, 2),
        lambda: wilson(-1, 2),
        lambda: holm([-0.1]),
        lambda: holm([1.1]),
    ],
)
def test_a_question_without_an_answer_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"not|cannot"):
        ask()


def test_the_t_interval_covers_the_mean_as_often_as_it_says(generator: Generator) -> None:
    """2,000 studies of five seeds: 95 % covered, give or take four standard errors of the simulation."""
    studies = generator.normal(0.9, 0.01, (2000, 5))
    covered = sum((found := mean(study)).low <= 0.9 <= found.high for study in studies)  # type: ignore[operator]
    assert abs(covered / 2000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


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
    false = sum(equivalence(ours + 0.02, theirs, 0.02) < 0.05 for ours, theirs in pairs)
    assert 0 < false / 1000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)
