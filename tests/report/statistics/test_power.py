import math

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from scipy import stats
from scipy.special import stdtrit
from statsmodels.formula.api import ols  # type: ignore[import-untyped]
from statsmodels.stats.anova import anova_lm  # type: ignore[import-untyped]
from statsmodels.stats.power import TTestPower  # type: ignore[import-untyped]

from bench.report.statistics import paired_difference, rate_equivalence
from bench.report.statistics.power import (
    chance_to_decide,
    equivalence_power,
    largest_spread,
    power,
    seeds_for_equivalence,
    seeds_for_rate,
    seeds_needed,
    variance,
)


@pytest.mark.parametrize(
    ("effect", "n", "alpha"), [(0.3, 10, 0.05), (1.0, 5, 0.05), (2.0, 2, 0.01), (0.05, 400, 0.005)]
)
def test_power_is_that_of_statsmodels(effect: float, n: int, alpha: float) -> None:
    expected = TTestPower().power(effect / 0.7, n, alpha)
    assert power(effect, 0.7, n, alpha) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("effect", "sd"), [(0.3, 0.2), (0.3, 0.3), (0.1, 0.5), (5.0, 0.1)])
def test_the_seeds_needed_are_the_first_that_suffice(effect: float, sd: float) -> None:
    n = seeds_needed(effect, sd)
    assert n is not None
    assert power(effect, sd, n) >= 0.8
    assert n == 2 or power(effect, sd, n - 1) < 0.8
    if n > 2:
        assert n == math.ceil(TTestPower().solve_power(effect / sd, power=0.8, alpha=0.05))


def test_more_seeds_smaller_spread_and_looser_levels_find_more() -> None:
    assert power(0.3, 0.3, 10) < power(0.3, 0.3, 20) < power(0.3, 0.2, 20) < power(0.3, 0.2, 20, alpha=0.2)
    assert seeds_needed(30, 100) == seeds_needed(0.3, 1)


def test_simulated_studies_find_the_effect_as_often_as_power_says(generator: Generator) -> None:
    studies = generator.normal(0.3, 0.3, (1000, 8))
    found = sum((paired_difference(one, np.zeros(8)).p or 0) < 0.05 for one in studies)
    expected = power(0.3, 0.3, 8)
    assert abs(found / 1000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 1000)


@pytest.mark.parametrize(("sd", "n", "alpha"), [(0.5, 8, 0.05), (1.0, 10, 0.05), (1.0, 15, 0.05), (0.4, 6, 0.01)])
def test_simulated_studies_of_equal_arms_are_equivalent_as_often_as_power_says(
    generator: Generator, sd: float, n: int, alpha: float
) -> None:
    """At least as often, and no more than five points oftener, give or take the simulation."""
    studies = generator.normal(0, sd, (2000, n))
    found = sum((paired_difference(one, np.zeros(n)).equivalence(1.0) or 0) < alpha for one in studies) / 2000
    expected = equivalence_power(1.0, sd, n, alpha)
    noise = 4 * math.sqrt(0.25 / 2000)
    assert expected - noise < found < expected + 0.05 + noise


@pytest.mark.parametrize(("margin", "sd", "alpha"), [(1.0, 0.5, 0.05), (1.0, 2.0, 0.05), (1.0, 1.2, 0.002)])
def test_the_seeds_for_equivalence_are_the_first_that_suffice(margin: float, sd: float, alpha: float) -> None:
    n = seeds_for_equivalence(margin, sd, alpha)
    assert n is not None
    assert equivalence_power(margin, sd, n, alpha) >= 0.8 > equivalence_power(margin, sd, n - 1, alpha)


@pytest.mark.parametrize(("n", "alpha"), [(5, 0.05), (10, 0.001), (60, 0.00625), (1000, 0.00625)])
def test_the_largest_spread_is_the_one_whose_seeds_are_those_planned(n: int, alpha: float) -> None:
    sd = largest_spread(1.0, n, alpha, 0.8)
    just, more = (
        max(seeds_needed(1.0, one, alpha / 2) or 0, seeds_for_equivalence(1.0, one, alpha) or 0)
        for one in (0.999 * sd, 1.001 * sd)
    )
    assert just <= n < more


@pytest.mark.parametrize(("margin", "alpha"), [(0.1, 0.05), (0.1, 0.01), (0.2, 0.002), (0.3, 0.05)])
def test_the_seeds_for_a_rate_are_the_first_that_exclude_its_margin(margin: float, alpha: float) -> None:
    n = seeds_for_rate(margin, alpha)
    assert rate_equivalence(n, n, n, n, margin) < alpha <= rate_equivalence(n - 1, n - 1, n - 1, n - 1, margin)
    assert all(rate_equivalence(more, more, more, more, margin) < alpha for more in range(n, n + 10))


def test_the_components_of_variance_are_those_of_the_anova_of_statsmodels(generator: Generator) -> None:
    table = generator.normal(size=(6, 4)) + generator.normal(size=(6, 1)) + 3 * generator.normal(size=(1, 4))
    runs = pd.DataFrame([(i, j, table[i, j]) for i in range(6) for j in range(4)], columns=["init", "order", "value"])
    squares = anova_lm(ols("value ~ C(init) + C(order)", runs).fit())["mean_sq"]
    found = variance(table)
    assert found.rest == pytest.approx(squares["Residual"])
    assert found.initialization == pytest.approx((squares["C(init)"] - squares["Residual"]) / 4)
    assert found.order == pytest.approx((squares["C(order)"] - squares["Residual"]) / 6)


def test_the_components_are_right_on_average_and_turn_with_the_table(generator: Generator) -> None:
    shape = (2000, 4, 5)
    tables = (
        generator.normal(size=shape) + 2 * generator.normal(size=(2000, 4, 1)) + generator.normal(size=(2000, 1, 5))
    )
    found = [variance(table) for table in tables]
    means = [np.mean([getattr(one, name) for one in found]) for name in ("initialization", "order", "rest", "total")]
    assert means == pytest.approx([4, 1, 1, 6], rel=0.1)
    one, turned = variance(tables[0]), variance(tables[0].T)
    assert (one.initialization, one.order, one.rest) == pytest.approx(
        (turned.order, turned.initialization, turned.rest)
    )


def test_more_than_a_million_seeds_are_none() -> None:
    assert seeds_needed(1e-6, 1.0) is None
    assert seeds_for_equivalence(1e-6, 1.0) is None


def test_the_seeds_for_a_small_margin_of_rate_go_on_as_the_normal_law_says() -> None:
    margins = [0.05, 0.03, 0.01, 0.001]
    needed = [seeds_for_rate(margin, 0.002) for margin in margins]
    assert needed == sorted(needed)
    assert [n * margin / (1 - margin) for n, margin in zip(needed, margins, strict=True)] == pytest.approx(
        [stats.norm.isf(0.002) ** 2] * 4, rel=0.03
    )


def test_what_cannot_be_planned_or_decomposed_is_refused() -> None:
    for ask in (
        lambda: power(0.3, 0.0, 5),
        lambda: power(0.0, 1.0, 5),
        lambda: power(0.3, 1.0, 1),
        lambda: equivalence_power(0.3, 1.0, 5, 1.0),
    ):
        with pytest.raises(ValueError, match="power needs"):
            ask()
    with pytest.raises(ValueError, match="margin of a rate"):
        seeds_for_rate(1.0)
    with pytest.raises(ValueError, match="chance"):
        seeds_needed(0.3, 1.0, wanted=1.0)
    for bad in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="decomposition"):
            variance(bad)


def test_the_chance_to_decide_is_how_often_later_pairs_decide() -> None:
    """Simulated: means of the first 10 as they were, further pairs from a mean drawn around theirs."""
    rng, n, last, margin = np.random.default_rng(0), 10, 20, 1.0
    first = rng.normal(0.4, 1.0, n)
    sd, mean = first.std(ddof=1), first.mean()
    reach = float(stdtrit(n - 1, 0.975)) * sd / n**0.5
    truth = mean + sd / n**0.5 * rng.standard_t(n - 1, 20_000)
    final = (n * mean + (last - n) * (truth + sd / (last - n) ** 0.5 * rng.normal(size=20_000))) / last
    error = sd / last**0.5
    decided = (abs(final) > stdtrit(last - 1, 0.99) * error) | (abs(final) < margin - stdtrit(last - 1, 0.98) * error)
    assert chance_to_decide(mean, reach, n, last, margin, 0.02, 0.02) == pytest.approx(decided.mean(), abs=0.03)


@pytest.mark.parametrize(("reach", "n", "last"), [(0.0, 5, 10), (1.0, 1, 10), (1.0, 10, 10)])
def test_no_chance_is_predicted_without_spread_or_later_pairs(reach: float, n: int, last: int) -> None:
    with pytest.raises(ValueError, match="chance to decide"):
        chance_to_decide(0.0, reach, n, last, 1.0, 0.05, 0.05)
