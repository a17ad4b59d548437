import math

import numpy as np
import pytest
import scikit_posthocs  # type: ignore[import-untyped]
from numpy.random import Generator
from scipy import stats

from bench.report.statistics.ranks import critical_difference, friedman, groups, nemenyi, ranked


@pytest.fixture(params=[(2, 3), (8, 5), (24, 10)])
def scores(request: pytest.FixtureRequest, generator: Generator) -> np.ndarray:
    """Blocks by arms, with ties."""
    blocks, arms = request.param
    return np.round(generator.normal(size=(blocks, arms)) + np.arange(arms) / 4, 1)


def test_ranks_are_those_of_scipy_the_highest_score_first(scores: np.ndarray) -> None:
    assert np.array_equal(ranked(scores), stats.rankdata(-scores, axis=1))


def test_friedmans_test_is_that_of_scipy(scores: np.ndarray) -> None:
    expected = stats.friedmanchisquare(*scores.T)
    found = friedman(scores)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.mean_ranks == pytest.approx(stats.rankdata(-scores, axis=1).mean(axis=0))


def test_nemenyis_p_values_are_those_of_scikit_posthocs(scores: np.ndarray) -> None:
    expected = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    found = nemenyi(friedman(scores).mean_ranks, len(scores))
    assert found == pytest.approx(expected, abs=1e-6)  # theirs takes many degrees of freedom for endless ones


@pytest.mark.parametrize(("arms", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(arms: int, q: float) -> None:
    """Demšar 2006, table 5a: critical values of the two-tailed Nemenyi test at 0.05."""
    found = critical_difference(arms, 14) / math.sqrt(arms * (arms + 1) / (6 * 14))
    assert found == pytest.approx(q, abs=1e-3)
    assert found == pytest.approx(stats.studentized_range.ppf(0.95, arms, np.inf) / math.sqrt(2), rel=1e-6)


def test_two_mean_ranks_as_far_apart_as_the_critical_difference_have_p_of_alpha() -> None:
    distance = critical_difference(4, 10, 0.1)
    assert nemenyi([1.0, 1.0 + distance, 2.0, 3.0], 10)[0, 1] == pytest.approx(0.1)


def test_arms_in_another_order_have_the_same_ranks(scores: np.ndarray, generator: Generator) -> None:
    order = generator.permutation(scores.shape[1])
    assert friedman(scores[:, order]).mean_ranks == pytest.approx(friedman(scores).mean_ranks[order])
    assert friedman(scores[:, order]).p == pytest.approx(friedman(scores).p)
    assert np.array_equal(ranked(2 * scores), ranked(scores))


def test_arms_that_tie_everywhere_are_no_evidence() -> None:
    found = friedman(np.ones((4, 3)))
    assert (found.statistic, found.p) == (0, 1)
    assert (nemenyi(found.mean_ranks, 4) == 1).all()


def test_a_group_is_as_large_as_the_critical_difference_allows() -> None:
    assert groups([3.0, 1.0, 1.6, 2.4], 0.9) == [(1, 2), (2, 3), (3, 0)]
    assert groups([3.0, 1.0, 1.6, 2.4], 2.0) == [(1, 2, 3, 0)]
    assert groups([1.0, 5.0], 0.5) == []


def test_ranks_are_rarely_called_different_where_arms_do_not_differ(generator: Generator) -> None:
    """500 studies of 10 blocks and 4 equal arms: at most 5 %, plus four standard errors."""
    tables = generator.normal(size=(500, 10, 4))
    false = sum(friedman(table).p < 0.05 for table in tables)
    assert 0 < false / 500 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)


def test_what_cannot_be_ranked_is_refused() -> None:
    for bad in ([[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0], [[1.0, math.nan], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="ranks need"):
            friedman(bad)
    with pytest.raises(ValueError, match="mean ranks"):
        critical_difference(1, 5)
    with pytest.raises(ValueError, match="alpha"):
        critical_difference(3, 5, 0.0)
