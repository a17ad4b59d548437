"""The error of a mean of runs, and of runs on the same test images."""

import math
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats
from statsmodels.formula.api import ols  # type: ignore[import-untyped]
from statsmodels.stats.anova import anova_lm  # type: ignore[import-untyped]

from bench.report.statistics import paired_difference
from bench.report.statistics.comparisons import Difference
from bench.report.statistics.sample import StandardError, error_of

Array = NDArray[np.float64]


def crossed(generator: Generator, runs: int, images: int, of_runs: float, of_images: float, rest: float) -> Array:
    """Values (runs, images) of mean 0 with these standard deviations of runs, images and single answers."""
    return np.asarray(
        of_runs * generator.normal(size=(runs, 1))
        + of_images * generator.normal(size=images)
        + rest * generator.normal(size=(runs, images))
    )


def answers(generator: Generator, runs: int, images: int, hard: float = 2.0) -> Array:
    """0 and 1, (runs, images): each image is right with a chance of its own, 0.86 on average, shifted by the run."""
    ease = generator.normal(3.0, hard, images) + generator.normal(0, 0.1, (runs, 1))
    return (generator.random((runs, images)) < 1 / (1 + np.exp(-ease))).astype(np.float64)


def test_the_error_of_a_row_of_values_is_that_of_the_t_test(generator: Generator) -> None:
    values = generator.normal(size=7)
    found = error_of(values)
    assert found is not None
    assert astuple(found) == pytest.approx((stats.sem(values), 6, 0, math.inf))
    assert error_of(values[:1]) is None
    assert error_of(values[None, :]) is None


def test_the_error_of_runs_on_images_is_made_of_the_mean_squares_of_statsmodels(generator: Generator) -> None:
    values = crossed(generator, 5, 12, 1.0, 2.0, 1.0)
    cells = [(run, image, values[run, image]) for run in range(5) for image in range(12)]
    table = pd.DataFrame(cells, columns=["run", "image", "value"])
    squares = anova_lm(ols("value ~ C(run) + C(image)", table).fit())
    of_runs, of_images, of_rest = squares["mean_sq"]
    expected = StandardError(math.sqrt(of_runs / 60), 4, math.sqrt((of_images - of_rest) / 60), 11)
    assert astuple(error_of(values)) == pytest.approx(astuple(expected))


def test_images_that_do_not_differ_leave_the_error_of_the_runs(generator: Generator) -> None:
    """Whether each image counts the same in a run, or its answers are noise that favors no image."""
    runs = generator.normal(size=6)
    assert same_error(np.tile(runs[:, None], 40), runs)
    noise = np.array([np.roll(np.tile([1.0, 0.0, 0.0], 20), run) for run in range(6)]) + runs[:, None]
    assert same_error(noise, runs)  # each image is right in two of six runs


def same_error(one: Array, other: Array) -> bool:
    """Whether the errors of two means have the same intervals and tests."""
    found, expected = error_of(one), error_of(other)
    assert found is not None
    assert expected is not None
    numbers = [(each.reach(0.025), each.reach(1e-4), each.tail(0.3)) for each in (found, expected)]
    return numbers[0] == pytest.approx(numbers[1])


def test_the_images_only_ever_widen_the_interval(generator: Generator) -> None:
    for of_images in (0.0, 0.5, 3.0):
        for _ in range(50):
            values = crossed(generator, 4, 30, 1.0, of_images, 1.0)
            found, of_runs = error_of(values), error_of(values.mean(axis=1))
            assert found is not None
            assert of_runs is not None
            assert found.reach(0.025) >= of_runs.reach(0.025) * (1 - 1e-12)


@pytest.mark.parametrize("distance", [-2.0, -0.1, 0.0, 0.01, 0.3, 3.0, 50.0])
@pytest.mark.parametrize(
    "error",
    [StandardError(1, 4), StandardError(1, 4, 0.5, 99), StandardError(0, 4, 1, 9), StandardError(0.01, 1, 1, 359)],
)
def test_the_tail_of_a_test_is_that_whose_interval_just_reaches_there(error: StandardError, distance: float) -> None:
    tail = error.tail(distance)
    if distance > 0:
        assert error.reach(tail) == pytest.approx(distance, rel=1e-9)
    assert tail == pytest.approx(1 - error.tail(-distance))
    assert error.tail(0.0) == 0.5


def test_one_part_of_the_error_alone_has_the_tail_of_student() -> None:
    assert StandardError(2, 4).tail(3) == pytest.approx(stats.t.sf(1.5, 4))
    assert StandardError(0, 4, 2, 99).tail(3) == pytest.approx(stats.t.sf(1.5, 99))
    assert (StandardError(0, 4).tail(0.1), StandardError(0, 4).tail(-0.1), StandardError(0, 4).tail(0)) == (0, 1, 0.5)


@pytest.mark.parametrize("runs", [5, 10])
@pytest.mark.parametrize(("of_runs", "of_images"), [(1.0, 0.0), (0.3, 1.0), (0.1, 3.0), (1.0, 1.0)])
def test_the_interval_covers_the_mean_of_new_runs_on_new_images(
    generator: Generator, runs: int, of_runs: float, of_images: float
) -> None:
    """2,000 studies with their own images: the 95 % interval covers in 93 to 97 %."""
    covered = 0
    for _ in range(2000):
        values = crossed(generator, runs, 60, of_runs, of_images, 1.0)
        bounds = Difference(float(values.mean()), runs, error_of(values)).interval()
        assert bounds.low is not None
        assert bounds.high is not None
        covered += bounds.low <= 0 <= bounds.high
    assert 0.93 < covered / 2000 < 0.97


def test_the_interval_of_answers_covers_where_that_of_seeds_alone_does_not(generator: Generator) -> None:
    """Accuracies of five runs on 360 images, each image easy or hard for all runs alike."""
    truth = float(np.mean([answers(generator, 20, 3600).mean() for _ in range(200)]))
    both = alone = 0
    for _ in range(1000):
        right = answers(generator, 5, 360)
        for of_images in (True, False):
            error = error_of(right if of_images else right.mean(axis=1))
            bounds = Difference(float(right.mean()), 5, error).interval()
            covers = (bounds.low or 0) <= truth <= (bounds.high or 0)
            both += covers and of_images
            alone += covers and not of_images
    assert 0.93 < both / 1000 < 0.97
    assert alone / 1000 < 0.87


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize(("of_runs", "of_images"), [(0.3, 1.0), (0.1, 0.3), (1.0, 0.1)])
def test_few_runs_on_many_images_reject_as_rarely_as_a_small_level_says(
    generator: Generator, runs: int, of_runs: float, of_images: float
) -> None:
    """4,000 means of runs on 360 images, tested at 1 %: the level that a family of five tests leaves to each."""
    rejected = 0
    for _ in range(4000):
        values = crossed(generator, runs, 360, of_runs, of_images, 1.0)
        rejected += (Difference(float(values.mean()), runs, error_of(values)).p or 0) < 0.01
    assert rejected / 4000 < 0.01 + 4 * math.sqrt(0.01 * 0.99 / 4000)


def test_equal_arms_on_the_same_images_are_rarely_different(generator: Generator) -> None:
    """2,000 pairs of arms of one law that answer the same images: different in at most 5 %, plus four errors."""
    false = 0
    for _ in range(2000):
        both = answers(generator, 10, 360)
        false += (paired_difference(both[:5], both[5:]).p or 0) < 0.05
    assert 0.01 < false / 2000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)


def test_the_error_scales_with_the_values_and_holds_the_resolution(generator: Generator) -> None:
    values = crossed(generator, 4, 20, 1.0, 1.0, 1.0)
    found, scaled = error_of(values), error_of(100 * values)
    assert found is not None
    assert scaled is not None
    assert scaled.reach(0.025) == pytest.approx(100 * found.reach(0.025))
    assert error_of(np.ones((4, 20)), 0.1) == StandardError(0.05, 3, 0, 19)


def test_what_has_no_error_is_refused() -> None:
    for bad in (np.empty(0), np.empty((0, 3)), np.empty((3, 0)), np.ones((2, 2, 2)), np.array([1.0, math.nan])):
        with pytest.raises(ValueError, match="finite"):
            error_of(bad)
