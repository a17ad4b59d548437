"""What a study could see: the seeds that its margin needs, and where the spread of an arm comes from."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.report import frame, summarize
from bench.report.statistics.power import seeds_needed, variance
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_the_seeds_that_the_margin_needs_come_from_the_spread_of_paired_differences(rows: list[Row]) -> None:
    found = summarize(rows, 0.3).power[0]
    wide = (
        frame(rows).query("`model.width` == 4").pivot_table(index="seed", columns="initializer", values="test_accuracy")
    )
    variances = [(wide[one] - wide[other]).var() for one, other in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert found.sd_points == pytest.approx(100 * np.mean(variances) ** 0.5)
    assert found.seeds_for_margin == seeds_needed(0.3, found.sd_points)
    assert found.seeds_for_family == seeds_needed(0.3, found.sd_points, 0.05 / 3)
    assert (found.finding.name, found.pairs, found.power) == ("width=4", 3, 0.8)


def test_a_block_without_pairs_needs_a_number_of_seeds_that_nobody_knows(arm: MakeArm) -> None:
    (found,) = summarize(arm("a", [0.9, 0.91]), 0.3).power
    assert (found.sd_points, found.seeds_for_margin, found.seeds_for_family) == (None, None, None)


@pytest.fixture
def crossed(row: MakeRow) -> list[Row]:
    generator = np.random.default_rng(3)
    weights, orders = generator.normal(0, 0.02, 5), generator.normal(0, 0.005, 4)
    return [
        row(arm, seed, float(0.9 + weights[seed] + orders[order] + generator.normal(0, 0.002)), order_seed=order)
        for arm in "ab"
        for seed in range(5)
        for order in range(4)
    ]


def test_a_crossed_design_says_where_the_spread_comes_from(crossed: list[Row]) -> None:
    found, _ = summarize(crossed, 0.3).variance
    values = 100 * np.array(
        [[row.measures["test_accuracy"] for row in crossed[4 * s : 4 * s + 4]] for s in range(5)], float
    )
    expected = variance(values)
    assert found.sd_initialization_points == pytest.approx(expected.initialization**0.5)
    assert found.sd_order_points == pytest.approx(expected.order**0.5)
    assert found.sd_rest_points == pytest.approx(expected.rest**0.5)
    assert found.sd_points == pytest.approx(expected.total**0.5)
    assert (found.initializations, found.orders) == (5, 4)
    assert "order_seed" not in found.choices


def test_a_grid_with_a_hole_is_left_out_and_one_seed_for_both_is_no_design(crossed: list[Row], rows: list[Row]) -> None:
    crossed[0].status, crossed[0].measures["test_accuracy"] = "diverged", None
    assert [one.name for one in summarize(crossed, 0.3).variance] == ["b"]
    assert summarize(rows, 0.3).variance == []
