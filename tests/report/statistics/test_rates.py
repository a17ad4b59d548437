import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from bench.report.statistics import boschloo, newcombe, rate_equivalence, wilson

Table = tuple[int, int, int, int]


def tables(total: int, other_total: int) -> Iterator[Table]:
    for ours in range(total + 1):
        for theirs in range(other_total + 1):
            yield ours, total, theirs, other_total


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 5), (1, 5), (5, 5), (17, 60)])
def test_wilsons_interval_is_that_of_statsmodels(count: int, total: int) -> None:
    found = wilson(count, total)
    assert (found.low, found.high) == pytest.approx(proportion_confint(count, total, method="wilson"), abs=1e-12)
    assert found.value == count / total


def test_the_interval_ends_where_a_rate_ends() -> None:
    assert (wilson(0, 5).low, wilson(5, 5).high) == (0, 1)
    assert wilson(0, 5).high == pytest.approx(1 - (wilson(5, 5).low or 0))


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombes_interval_is_the_published_one(table: Table, low: float, high: float) -> None:
    """The eight examples of Newcombe (1998), table II, method 10."""
    found = newcombe(*table)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_difference_of_two_rates_turns_with_its_arms() -> None:
    there, back = newcombe(9, 10, 3, 20, 0.9), newcombe(3, 20, 9, 10, 0.9)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -(back.high or 0), -(back.low or 0)))
    assert newcombe(0, 5, 0, 5).value == 0


@pytest.mark.parametrize(("total", "other_total"), [(1, 1), (3, 3), (5, 5), (10, 10), (3, 10), (10, 7)])
def test_boschloos_test_is_that_of_scipy(total: int, other_total: int) -> None:
    for table in tables(total, other_total):
        ours, _, theirs, _ = table
        expected = stats.boschloo_exact([[ours, theirs], [total - ours, other_total - theirs]], n=64).pvalue
        assert boschloo(*table) == pytest.approx(1.0 if math.isnan(expected) else expected, abs=1e-6), table


def test_boschloos_test_of_many_runs_is_exact_in_its_tail() -> None:
    """All against none has one table in each tail, largest at a rate of a half."""
    assert boschloo(30, 30, 0, 30) == pytest.approx(2 * 0.5**60, rel=1e-6, abs=0)


@pytest.mark.parametrize(("total", "other_total"), [(5, 5), (10, 10), (20, 20), (6, 15)])
def test_boschloos_test_rejects_equal_rates_in_at_most_five_percent(total: int, other_total: int) -> None:
    rejected = [table for table in tables(total, other_total) if boschloo(*table) < 0.05]
    sizes = [chance(rejected, rate, rate) for rate in np.linspace(0, 1, 401)]
    assert 0.005 < max(sizes) <= 0.05


def test_boschloos_test_needs_five_failures_of_ten_against_none() -> None:
    """In one block of two arms, where it shares a family of two with the test of accuracy."""
    assert boschloo(5, 10, 10, 10) < 0.025 < boschloo(6, 10, 10, 10)


def chance(found: list[Table], rate: float, other: float) -> float:
    """Of any of these tables, at these two rates."""
    if not found:
        return 0.0
    ours, total, theirs, other_total = np.array(found).T
    return float((stats.binom.pmf(ours, total, rate) * stats.binom.pmf(theirs, other_total, other)).sum())


@pytest.mark.parametrize(
    ("total", "other_total", "margin", "alpha"),
    [(10, 10, 0.3, 0.05), (20, 20, 0.2, 0.05), (29, 29, 0.1, 0.05), (34, 33, 0.1, 0.05), (12, 25, 0.25, 0.1)],
)
def test_rates_that_differ_by_the_margin_or_more_are_rarely_called_equivalent(
    total: int, other_total: int, margin: float, alpha: float
) -> None:
    """By enumeration of all tables: never above alpha on the edge of the margin, on either side, nor beyond it."""
    accepted = accepted_tables(total, other_total, margin, alpha)
    assert accepted
    for apart in (margin, 1.1 * margin, 2 * margin):
        for rate in np.linspace(0, 1 - apart, 201):
            assert chance(accepted, rate + apart, rate) <= alpha + 1e-9
            assert chance(accepted, rate, rate + apart) <= alpha + 1e-9


def accepted_tables(total: int, other_total: int, margin: float, alpha: float) -> list[Table]:
    return [
        table
        for table in tables(total, other_total)
        if abs(table[0] / total - table[2] / other_total) < margin and rate_equivalence(*table, margin) < alpha
    ]


def test_a_table_whose_rates_differ_by_the_margin_is_never_equivalent() -> None:
    for table in tables(10, 12):
        apart = abs(table[0] / 10 - table[2] / 12)
        assert apart < 0.3 or rate_equivalence(*table, 0.3) > 0.4


def test_equal_rates_are_the_more_often_shown_equivalent_the_more_runs_there_are() -> None:
    powers = [chance(accepted_tables(runs, runs, 0.3, 0.05), 0.95, 0.95) for runs in (5, 10, 20, 40)]
    assert powers == sorted(powers)
    assert powers[0] == 0
    assert powers[-1] > 0.95


def test_all_trained_is_equivalence_within_a_tenth_from_twenty_nine_runs_on() -> None:
    """With rates 1 and 0.9 all of n runs train twice with a chance of 0.9^n, which is below 5 % from 29 on."""
    assert rate_equivalence(29, 29, 29, 29, 0.1) == pytest.approx(0.9**29)
    assert rate_equivalence(28, 28, 28, 28, 0.1) > 0.05
    assert rate_equivalence(10, 10, 10, 10, 0.1) > 0.3


@pytest.mark.parametrize("table", [(8, 10, 7, 10), (10, 10, 9, 12), (0, 6, 0, 9), (3, 8, 5, 8), (12, 12, 12, 12)])
@pytest.mark.parametrize("margin", [0.1, 0.3])
def test_equivalence_of_rates_is_the_exact_score_test_written_out(table: Table, margin: float) -> None:
    """Likelihoods maximized by search, tails summed table by table over a grid of rates."""
    ours, total, theirs, other_total = table
    expected = max(
        tail_by_search(ours, total, theirs, other_total, margin),
        tail_by_search(theirs, other_total, ours, total, margin),
    )
    assert rate_equivalence(*table, margin) == pytest.approx(expected, abs=2e-4)


def tail_by_search(ours: int, total: int, theirs: int, other_total: int, margin: float) -> float:
    score = {table: score_by_search(*table, margin) for table in tables(total, other_total)}
    observed = score[ours, total, theirs, other_total]
    tail = [table for table, one in score.items() if one <= observed + 1e-6]
    return max(chance(tail, min(1.0, rate + margin), rate) for rate in np.linspace(0, 1 - margin, 501))


def score_by_search(ours: int, total: int, theirs: int, other_total: int, margin: float) -> float:
    def unlikely(rate: float) -> float:
        both = stats.binom.logpmf(ours, total, rate + margin) + stats.binom.logpmf(theirs, other_total, rate)
        return -float(both) if math.isfinite(both) else 1e9

    ends = (0.0, 1 - margin)
    inside = float(minimize_scalar(unlikely, bounds=ends, method="bounded", options={"xatol": 1e-10}).x)
    rate = min((inside, *ends), key=unlikely)
    one, other = rate + margin, rate
    error = math.sqrt(one * (1 - one) / total + other * (1 - other) / other_total)
    return (ours / total - theirs / other_total - margin) / error


def test_equivalence_of_rates_does_not_depend_on_which_arm_comes_first() -> None:
    assert rate_equivalence(19, 20, 28, 30, 0.2) == rate_equivalence(28, 30, 19, 20, 0.2)
    assert boschloo(19, 20, 12, 30) == pytest.approx(boschloo(12, 30, 19, 20))


@pytest.mark.parametrize(
    "ask",
    [
        wilson,
        lambda count, total: newcombe(count, total, 1, 2),
        lambda count, total: boschloo(1, 2, count, total),
        lambda count, total: rate_equivalence(count, total, 1, 2, 0.1),
    ],
)
def test_what_is_no_rate_is_refused(ask: Callable[[int, int], object]) -> None:
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a rate"):
            ask(count, total)


def test_what_is_no_level_or_no_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=95)
    for margin in (0.0, 1.0, 10.0, math.nan):
        with pytest.raises(ValueError, match="margin of a rate"):
            rate_equivalence(1, 2, 1, 2, margin)
