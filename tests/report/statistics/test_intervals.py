import math

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from bench.report.statistics import interval, mean
from bench.report.statistics.intervals import MANY, METHODS, RESAMPLES, STUDENTIZED, T, method, resample

SKEWED = -np.exp(np.random.default_rng(3).normal(size=25))


@pytest.mark.parametrize("n", [2, 5, 10, MANY - 1, MANY, 100])
def test_the_interval_is_chosen_by_the_number_of_values_alone(generator: Generator, n: int) -> None:
    for values in (generator.normal(size=n), np.exp(generator.normal(size=n)), np.full(n, 0.5)):
        found = interval(values, np.random.default_rng(1))
        low, high = METHODS[method(n)](values[None], 0.95, 0.0, np.random.default_rng(1))
        assert (found.value, found.low, found.high) == (values.mean(), low[0], high[0])
    assert method(n) == (T if n < MANY else STUDENTIZED)


def test_below_many_values_it_is_the_t_interval_that_anyone_can_recompute(generator: Generator) -> None:
    values = generator.normal(0.9, 0.01, 10)
    assert interval(values, generator) == mean(values)


@pytest.mark.parametrize("values", [SKEWED, SKEWED[:8], np.array([0.9, 0.91, 0.91, 0.95, 0.3])])
def test_bca_is_that_of_scipy_up_to_the_noise_of_resampling(generator: Generator, values: np.ndarray) -> None:
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=generator).confidence_interval
    low, high = METHODS["bca"](values[None], 0.95, 0.0, generator)
    noise = 0.06 * (expected.high - expected.low)
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=noise)


def test_the_studentized_interval_is_made_of_the_t_statistics_of_resamples(generator: Generator) -> None:
    """Written out, one resample at a time, with numpy alone."""
    draws = np.random.default_rng(5).integers(0, 25, (RESAMPLES, 25))
    t = [(SKEWED[draw].mean() - SKEWED.mean()) / stats.sem(SKEWED[draw]) for draw in draws]
    low, high = np.sort(t)[[RESAMPLES // 40, RESAMPLES - 1 - RESAMPLES // 40]]
    found = interval(SKEWED, np.random.default_rng(5))
    expected = SKEWED.mean() - high * stats.sem(SKEWED), SKEWED.mean() - low * stats.sem(SKEWED)
    assert (found.low, found.high) == pytest.approx(expected)


def test_a_studentized_interval_of_three_values_has_no_end_but_with_a_resolution(generator: Generator) -> None:
    three = np.array([[1.0, 2.0, 4.0]])
    assert np.isinf(METHODS[STUDENTIZED](three, 0.95, 0.0, generator)).all()
    assert np.isfinite(METHODS[STUDENTIZED](three, 0.95, 0.5, generator)).all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n", [8, 30])
def test_bounds_hold_the_mean_and_follow_shifts_and_scales(generator: Generator, name: str, n: int) -> None:
    values = generator.gamma(2.0, size=(5, n))
    low, high = METHODS[name](values, 0.95, 0.0, np.random.default_rng(2))
    moved = METHODS[name](7 - 3 * values, 0.95, 0.0, np.random.default_rng(2))
    assert ((low < values.mean(axis=1)) & (values.mean(axis=1) < high)).all()
    noise = 0.03 if name != T else 1e-9  # the 50th of 1999 from below is not quite the mirror of that from above
    assert np.allclose(moved[0], 7 - 3 * high, atol=noise * 3 * (high - low).max())
    assert np.allclose(moved[1], 7 - 3 * low, atol=noise * 3 * (high - low).max())


@pytest.mark.parametrize("name", METHODS)
def test_a_wider_level_gives_a_wider_interval(generator: Generator, name: str) -> None:
    values = generator.normal(size=(3, 12))
    bounds = [METHODS[name](values, level, 0.0, np.random.default_rng(0)) for level in (0.5, 0.9, 0.99)]
    widths = np.array([high - low for low, high in bounds])
    assert (np.diff(widths, axis=0) > 0).all()


def test_the_value_and_the_order_of_seeds_never_depend_on_what_is_drawn(generator: Generator) -> None:
    one, other = (interval(SKEWED, np.random.default_rng(seed)) for seed in (1, 2))
    assert one.value == other.value == SKEWED.mean()
    assert one.low != other.low
    assert one.low == pytest.approx(other.low, abs=0.15 * (one.value - (one.low or 0)))
    shuffled = interval(generator.permutation(SKEWED), np.random.default_rng(1))
    assert (shuffled.low, shuffled.high) == pytest.approx((one.low, one.high), rel=0.1)


def test_equal_values_have_the_interval_of_the_resolution(generator: Generator) -> None:
    found = interval([0.5] * 30, generator, resolution=0.01)
    reach = stats.t.ppf(0.975, 29) * 0.01 / math.sqrt(30)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_every_resample_has_n_values(generator: Generator) -> None:
    counts = resample(7, generator)
    assert (counts.sum(axis=1) == 7).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.1)


def test_a_single_value_has_no_interval_and_nothing_has_no_mean(generator: Generator) -> None:
    assert (interval([0.5], generator).low, interval([0.5], generator).high) == (None, None)
    for bad in ([], [0.5, math.nan], [[0.5, 0.6]]):
        with pytest.raises(ValueError, match="finite"):
            interval(bad, generator)
    with pytest.raises(ValueError, match="level"):
        interval([0.5, 0.6], generator, level=1.0)
