import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from bench.report.statistics.simulation import ASTRAY, SHAPES, coverage, sigma_of


@pytest.mark.parametrize("skewness", [0.1, 1.0, 2.0, 6.0])
def test_a_log_normal_law_has_the_skewness_it_is_asked_for(skewness: float) -> None:
    assert float(stats.lognorm(sigma_of(skewness)).stats("s")) == pytest.approx(skewness)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_mean_and_the_spread_that_it_states(generator: Generator, name: str) -> None:
    shape = SHAPES[name]
    values = shape.draw(generator, (400, 500))
    assert np.nanmean(values) == pytest.approx(shape.mean, abs=5 * shape.sd / np.sqrt(values.size))
    assert np.nanstd(values) == pytest.approx(shape.sd, rel=0.05)
    assert np.isnan(values).mean() == pytest.approx(ASTRAY if name == "bimodal" else 0.0, abs=0.01)


def test_the_t_interval_covers_normal_values_exactly_and_bca_too_rarely(generator: Generator) -> None:
    t, bca = (coverage(name, 5, SHAPES["normal"], 0.95, 4000, generator) for name in ("t", "bca"))
    assert t.covered / t.judged == pytest.approx(0.95, abs=0.014)
    assert bca.covered / bca.judged < 0.88
    assert t.mean_width == pytest.approx(
        2 * stats.t.ppf(0.975, 4) * 0.94 / np.sqrt(5), rel=0.02
    )  # E s = 0.94 σ at n = 5


def test_a_diverged_run_is_in_no_mean_and_a_study_with_one_value_has_no_interval(generator: Generator) -> None:
    found = coverage("t", 3, SHAPES["bimodal"], 0.95, 4000, generator)
    alone = 3 * ASTRAY**2 * (1 - ASTRAY) + ASTRAY**3
    assert found.judged / 4000 == pytest.approx(1 - alone, abs=0.02)
    assert found.values == pytest.approx(3 * (1 - ASTRAY), abs=0.05)
    assert found.covered / found.judged == pytest.approx(0.95, abs=0.015)


def test_runs_that_end_elsewhere_and_stay_in_the_mean_ruin_its_interval(generator: Generator) -> None:
    found = coverage("t", 5, SHAPES["bimodal_naive"], 0.95, 2000, generator)
    assert found.covered / found.judged < 0.75


def test_the_same_generator_gives_the_same_coverage() -> None:
    one, other = (coverage("studentized", 6, SHAPES["skewed"], 0.9, 300, np.random.default_rng(4)) for _ in range(2))
    assert one == other
