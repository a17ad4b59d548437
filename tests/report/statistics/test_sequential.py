import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from bench.report import summarize
from bench.report.analysis.rules import Rules
from bench.report.statistics.sequential import is_plan, levels, spent
from bench.schema import Row

LOOKS = [5, 10, 20]


@pytest.mark.parametrize("looks", [[5], LOOKS, [2, 3, 4, 5, 50], [10, 20]])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_looks_share_the_level(looks: list[int], alpha: float) -> None:
    found = levels(looks, alpha)
    assert sum(found) == pytest.approx(alpha)
    assert all(level > 0 for level in found)


@pytest.mark.parametrize("looks", [LOOKS, [5, 10, 20, 40], [2, 3, 4, 5, 50]])
def test_what_is_spent_by_a_look_rises_as_the_function_says(looks: list[int]) -> None:
    spending = list(itertools.accumulate(levels(looks, 0.05)))
    assert spending == pytest.approx([spent(look / looks[-1], 0.05) for look in looks])
    assert spending == sorted(spending)


def test_the_spending_function_is_that_of_pococks_kind() -> None:
    """α ln(1 + (e - 1) t) of Lan & DeMets (1983), at fifths of the information."""
    expected = [0.0148, 0.0262, 0.0354, 0.0432, 0.05]
    assert [spent(place / 5, 0.05) for place in range(1, 6)] == pytest.approx(expected, abs=5e-5)
    assert spent(1.0, 0.05) == 0.05


def test_an_early_look_is_granted_about_as_much_as_a_late_one() -> None:
    """Equal steps of seeds: the first of four is granted 36 % of the level, the last 17 %."""
    found = levels([10, 20, 30, 40], 0.05)
    assert [level / 0.05 for level in found] == pytest.approx([0.357, 0.263, 0.208, 0.172], abs=5e-4)


def false_verdicts(row: Callable[..., Row], rules: Rules, generator: Generator, studies: int, arms: int) -> int:
    """How many of so many A/A studies call a pair different at any of their looks."""
    rules, found = replace(rules, looks=tuple(LOOKS)), 0
    for accuracies in generator.normal(0.9, 0.003, (studies, arms, LOOKS[-1])):
        rows = [[row(str(name), seed, float(one[seed])) for name, one in enumerate(accuracies)] for seed in range(20)]
        looked = (summarize(itertools.chain(*rows[:seeds]), rules) for seeds in LOOKS)
        found += any(pair.verdict.startswith("different") for one in looked for pair in one.findings[0].pairs)
    return found


def test_studies_of_equal_arms_that_are_looked_at_thrice_keep_their_level(
    row: Callable[..., Row], rules: Rules, generator: Generator
) -> None:
    """300 A/A studies of two arms: at most 5 % false verdicts, plus four standard errors of the simulation."""
    false = false_verdicts(row, rules, generator, 300, 2)
    assert 0 < false / 300 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 4])
def test_two_thousand_studies_of_equal_arms_keep_their_level(
    row: Callable[..., Row], rules: Rules, generator: Generator, arms: int
) -> None:
    false = false_verdicts(row, rules, generator, 2000, arms)
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
