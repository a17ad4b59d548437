import math

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from bench.report.analysis import pairs as decisions
from bench.report.analysis.pairs import DIFFERENT
from bench.report.statistics.sequential import is_plan, levels, spent

LOOKS = [5, 10, 20]


@pytest.mark.parametrize("looks", [[5], LOOKS, [2, 3, 4, 5, 50], [10, 20]])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_looks_share_the_level_and_the_last_gets_most(looks: list[int], alpha: float) -> None:
    found = levels(looks, alpha)
    assert sum(found) == pytest.approx(alpha)
    assert all(level > 0 for level in found)
    assert max(found) == found[-1]


def test_the_spending_function_is_that_of_lan_and_demets() -> None:
    """Their α₁* for two-sided 0.05: 2 - 2 Φ(1.96 / √t); 0.0056 at half of the information (Lan & DeMets 1983)."""
    assert spent(0.5, 0.05) == pytest.approx(2 * stats.norm.sf(stats.norm.isf(0.025) / math.sqrt(0.5)))
    assert spent(0.5, 0.05) == pytest.approx(0.0056, abs=5e-5)
    assert spent(1.0, 0.05) == pytest.approx(0.05)


def false_decisions(generator: Generator, studies: int, arms: int) -> int:
    """How many of so many A/A studies call a pair different at any of their looks."""
    plan = levels(LOOKS, 0.05)
    found = 0
    for accuracies in generator.normal(0.9, 0.003, (studies, arms, LOOKS[-1])):
        looked = (
            decisions.compare(
                {str(arm): dict(enumerate(one[:n])) for arm, one in enumerate(accuracies)}, 0.3, 0.01, alpha
            )
            for n, alpha in zip(LOOKS, plan, strict=True)
        )
        found += any(pair.verdict == DIFFERENT for pairs in looked for pair in pairs)
    return found


def test_studies_of_equal_arms_that_are_looked_at_thrice_keep_their_level(generator: Generator) -> None:
    """300 A/A studies of two arms: at most 5 % false decisions, plus four standard errors of the simulation."""
    false = false_decisions(generator, 300, 2)
    assert 0 < false / 300 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 4])
def test_two_thousand_studies_of_equal_arms_keep_their_level(generator: Generator, arms: int) -> None:
    false = false_decisions(generator, 2000, arms)
    assert 0 < false / 2000 < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2000)


def test_looking_thrice_at_the_full_level_would_not_keep_it(generator: Generator) -> None:
    """The reason for spending: one-sample t tests of 4,000 null studies at each of three looks."""
    values = generator.normal(size=(4000, LOOKS[-1]))
    naive = np.any([stats.ttest_1samp(values[:, :n], 0, axis=1).pvalue < 0.05 for n in LOOKS], axis=0)
    spending = np.any(
        [
            stats.ttest_1samp(values[:, :n], 0, axis=1).pvalue < alpha
            for n, alpha in zip(LOOKS, levels(LOOKS, 0.05), strict=True)
        ],
        axis=0,
    )
    assert naive.mean() > 0.08
    assert spending.mean() < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("looks", [[], [10, 5], [5, 5], [1, 5], [5.0, 10], ["5"], [True, 5]])
def test_what_is_no_plan_is_refused(looks: list[object]) -> None:
    assert not is_plan(looks)
    with pytest.raises(ValueError, match="looks are rising numbers"):
        levels(looks, 0.05)  # type: ignore[arg-type]


@pytest.mark.parametrize(("share", "alpha"), [(0.0, 0.05), (1.1, 0.05), (0.5, 0.0), (0.5, 1.0)])
def test_a_share_or_a_level_out_of_range_is_refused(share: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="share"):
        spent(share, alpha)
