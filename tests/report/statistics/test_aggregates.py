"""Aggregates are those of rliable: on the values it gave here once, and on its own answers where it is installed."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from bench.report.statistics import aggregates
from bench.report.statistics.aggregates import (
    Statistic,
    aggregate,
    iqm,
    optimality_gap,
    probability_of_improvement,
)

# Scores of two arms, runs by blocks, and what rliable 1.2.0 says of them (pandas 2.3.3, numpy 2, on Python 3.11):
# metrics.aggregate_iqm, aggregate_optimality_gap, probability_of_improvement.
A = np.array([[0.91, 0.42, 0.10], [0.93, 0.40, 0.11], [0.88, 0.55, 0.09], [0.95, 0.38, 0.70], [0.90, 0.41, 1.02]])
B = np.array([[0.90, 0.47, 0.10], [0.94, 0.46, 0.12], [0.91, 0.52, 0.60], [0.92, 0.42, 0.65]])
IQM = 0.6166666666666667, 0.6
GAP = 0.418, 0.4158333333333333
IMPROVEMENT = 0.3833333333333333
IQM_BOUNDS = (0.4522, 0.7378), (0.4800, 0.6533)  # library.get_interval_estimates, 20,000 resamples
IMPROVEMENT_BOUNDS = 0.1667, 0.6  # 5,000 resamples


def blocks(scores: np.ndarray) -> list[np.ndarray]:
    return list(scores.T)


@pytest.mark.parametrize(("scores", "value", "gap"), [(A, IQM[0], GAP[0]), (B, IQM[1], GAP[1])])
def test_aggregates_are_those_that_rliable_gave(
    generator: Generator, scores: np.ndarray, value: float, gap: float
) -> None:
    assert aggregate(iqm, blocks(scores), generator).value == pytest.approx(value, abs=1e-12)
    assert aggregate(optimality_gap, blocks(scores), generator).value == pytest.approx(gap, abs=1e-12)


def test_probabilities_of_improvement_are_those_that_rliable_gave(generator: Generator) -> None:
    assert probability_of_improvement(blocks(A), blocks(B), generator).value == pytest.approx(IMPROVEMENT, abs=1e-12)


def test_stratified_bounds_are_those_of_rliable_up_to_the_noise_of_resampling(generator: Generator) -> None:
    for scores, bounds in zip((A, B), IQM_BOUNDS, strict=True):
        found = aggregate(iqm, blocks(scores), generator)
        assert (found.low, found.high) == pytest.approx(bounds, abs=0.03)
    found = probability_of_improvement(blocks(A), blocks(B), generator)
    assert (found.low, found.high) == pytest.approx(IMPROVEMENT_BOUNDS, abs=0.03)


def test_aggregates_are_those_that_an_installed_rliable_gives(generator: Generator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = pytest.importorskip("rliable.metrics", exc_type=Exception)
    ours, theirs = generator.uniform(0, 1.2, (6, 4)), generator.uniform(0, 1.2, (9, 4))
    assert float(iqm(ours.ravel())) == pytest.approx(metrics.aggregate_iqm(ours), abs=1e-6)
    assert float(optimality_gap(ours.ravel())) == pytest.approx(metrics.aggregate_optimality_gap(ours), abs=1e-6)
    expected = metrics.probability_of_improvement(ours, theirs)
    assert probability_of_improvement(blocks(ours), blocks(theirs), generator).value == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("n", [1, 3, 4, 7, 50])
def test_the_interquartile_mean_is_the_trimmed_mean_of_scipy(generator: Generator, n: int) -> None:
    scores = generator.normal(size=(3, n))
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=1))


def test_improvement_is_mann_and_whitneys_statistic_with_ties_halved(generator: Generator) -> None:
    ours, theirs = np.round(generator.normal(size=8), 1), np.round(generator.normal(size=5), 1)
    expected = stats.mannwhitneyu(ours, theirs).statistic / 40
    assert probability_of_improvement([ours], [theirs], generator).value == pytest.approx(expected)
    turned = probability_of_improvement([theirs], [ours], generator).value
    assert turned == pytest.approx(1 - expected)
    assert probability_of_improvement([ours], [ours], generator).value == 0.5


@pytest.mark.parametrize("statistic", [iqm, optimality_gap])
def test_bounds_hold_the_value_and_nothing_but_them_depends_on_the_draw(
    statistic: Statistic, generator: Generator
) -> None:
    scores = [generator.uniform(size=n) for n in (3, 8, 5)]
    one, other = (aggregate(statistic, scores, np.random.default_rng(seed)) for seed in (1, 2))
    assert one.value == other.value == float(statistic(np.concatenate(scores)))
    assert one.low != other.low
    assert (one.low or 0) < one.value < (one.high or 0)
    assert one.n == 16


def test_the_order_of_blocks_and_runs_changes_no_value(generator: Generator) -> None:
    scores = [generator.uniform(size=n) for n in (3, 8, 5)]
    shuffled = [generator.permutation(block) for block in scores[::-1]]
    assert aggregate(iqm, scores, generator).value == pytest.approx(aggregate(iqm, shuffled, generator).value)


def test_resamples_of_many_runs_are_drawn_a_part_at_a_time(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [generator.uniform(size=50)]
    whole = aggregate(iqm, scores, np.random.default_rng(1))
    monkeypatch.setattr(aggregates, "AT_ONCE", 1000)
    parts = aggregate(iqm, scores, np.random.default_rng(1))
    assert (parts.low, parts.high) == (whole.low, whole.high)


def test_single_runs_have_values_and_no_interval(generator: Generator) -> None:
    assert aggregate(iqm, [[0.5], [0.7]], generator).low is None
    assert probability_of_improvement([[0.5]], [[0.4]], generator) == type(aggregate(iqm, [[1.0]], generator))(
        1, None, None, 1
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda rng: aggregate(iqm, [], rng),
        lambda rng: aggregate(iqm, [[]], rng),
        lambda rng: aggregate(iqm, [[0.5, np.nan]], rng),
        lambda rng: probability_of_improvement([[0.5]], [[0.5], [0.6]], rng),
    ],
)
def test_scores_that_are_none_are_refused(ask: Callable[[Generator], object], generator: Generator) -> None:
    with pytest.raises(ValueError, match=r"needs|cannot"):
        ask(generator)
