"""One-sided tests against a bound agree with scipy's, and are each other's mirror."""

import numpy as np
import pytest
from scipy import stats

from bench.report.statistics import paired_difference, sign_flips
from bench.report.statistics.onesided import Means, Rates
from bench.report.statistics.rates import rate_above, rate_below, rate_equivalence

OURS = np.array([0.4, 1.9, 0.8, 1.1, -0.3, 2.2, 0.9])


@pytest.mark.parametrize("bound", [-1.0, 0.0, 0.5, 3.0])
def test_a_mean_is_held_against_a_bound_by_the_one_sided_t_test(bound):
    found = Means(paired_difference(OURS, np.zeros(7)))
    assert found.p("above", bound) == pytest.approx(stats.ttest_1samp(OURS, bound, alternative="greater").pvalue)
    assert found.p("below", bound) == pytest.approx(stats.ttest_1samp(OURS, bound, alternative="less").pvalue)


def test_sign_changes_guard_a_t_test_that_is_too_sure():
    far = np.array([10.0, 10.1, 9.9, 10.0, 10.1])
    guarded = Means(
        paired_difference(far, np.zeros(5)), lambda bound: sign_flips(far - bound, np.random.default_rng(0))
    )
    assert guarded.p("above", 0.0) == pytest.approx(1 / 32)
    assert guarded.p("below", 0.0) == pytest.approx(1.0)


def test_a_single_pair_has_no_test():
    assert Means(paired_difference([1.0], [0.0])).p("above", 0.0) is None


@pytest.mark.parametrize("counts", [(8, 8, 1, 8), (5, 8, 3, 7), (0, 6, 4, 6)])
def test_rates_are_compared_by_boschloos_one_sided_test(counts):
    ours, total, theirs, other = counts
    table = [[ours, theirs], [total - ours, other - theirs]]
    for side, alternative in (("above", "greater"), ("below", "less")):
        expected = stats.boschloo_exact(table, alternative=alternative, n=256).pvalue
        assert Rates(*counts).p(side, 0.0) == pytest.approx(expected, rel=0.01)


def test_a_bound_that_is_met_exactly_is_rejected_at_neither_side():
    assert min(rate_above(10, 20, 5, 20, 0.25), rate_below(10, 20, 5, 20, 0.25)) > 0.4


def test_both_sides_of_a_bound_are_the_mirror_of_the_other_arm():
    assert rate_above(7, 10, 2, 10, -0.1) == rate_below(2, 10, 7, 10, 0.1)
    assert max(rate_below(9, 10, 8, 10, 0.4), rate_below(8, 10, 9, 10, 0.4)) == rate_equivalence(9, 10, 8, 10, 0.4)


def test_the_exact_test_rejects_a_true_bound_no_more_often_than_its_level():
    rate, bound, n, level = 0.3, 0.25, 9, 0.05
    chance = stats.binom(n, rate + bound).pmf(np.arange(n + 1))[:, None] * stats.binom(n, rate).pmf(np.arange(n + 1))
    rejected = np.array([[rate_above(a, n, b, n, bound) < level for b in range(n + 1)] for a in range(n + 1)])
    assert 0 < chance[rejected].sum() <= level


def test_a_bound_outside_of_all_rates_is_refused():
    with pytest.raises(ValueError, match="between -1 and 1"):
        rate_above(1, 2, 1, 2, 1.0)


def test_seeds_that_are_needed_decide_where_the_estimate_lies_on_that_side():
    found = Means(paired_difference(OURS, np.zeros(7)))
    fewer, more = found.needed("above", 0.0, 0.05), found.needed("above", 0.0, 0.001)
    assert fewer is not None
    assert more is not None
    assert fewer < more
    assert found.needed("below", 0.0, 0.05) is None
    size = Rates(4, 5, 1, 5).needed("above", 0.0, 0.001)
    assert size is not None
    assert rate_above(round(0.8 * size), size, round(0.2 * size), size) < 0.001
    assert Rates(3, 5, 3, 5).needed("above", 0.0, 0.05) is None
