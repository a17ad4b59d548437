"""What a study could see: the seeds that its margin needs, and where the spread of an arm comes from."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.report import frame, summarize
from bench.report.analysis.power import Seeds
from bench.report.analysis.rules import Rules
from bench.report.statistics.power import seeds_for_equivalence, seeds_for_rate, seeds_needed, variance
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_the_seeds_that_the_margin_needs_come_from_the_spread_of_paired_differences(
    rows: list[Row], rules: Rules
) -> None:
    found = summarize(rows, rules).power[0]
    wide = (
        frame(rows).query("`model.width` == 4").pivot_table(index="seed", columns="initializer", values="test_accuracy")
    )
    variances = [(wide[one] - wide[other]).var() for one, other in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert found.sd_points == pytest.approx(100 * np.mean(variances) ** 0.5)
    for seeds, families in ((found.one_pair, 1), (found.all_pairs, 3)):  # of four blocks each
        level = 0.05 / (4 * families)
        assert seeds.difference == seeds_needed(1.0, found.sd_points, level / 2)
        assert seeds.equivalence == seeds_for_equivalence(1.0, found.sd_points, level)
        assert seeds.rate == seeds_for_rate(0.1, level)
    assert found.finding.name == "width=4"


def test_a_study_at_a_look_needs_seeds_for_the_level_of_the_look(rows: list[Row], rules: Rules) -> None:
    (whole, *_), (look, *_), (between, *_) = (
        summarize(rows, replace(rules, looks=looks)).power for looks in ((), (5, 10), (3, 10))
    )
    assert whole.one_pair == between.one_pair
    assert (look.one_pair.difference or 0) > (whole.one_pair.difference or 0)


def test_no_fewer_seeds_are_wanted_than_verdicts_take(arm: MakeArm, rules: Rules) -> None:
    """Two would find a margin of a hundred times the spread."""
    (found,) = summarize(arm("a", [0.9, 0.9001, 0.9]) + arm("b", [0.9, 0.9, 0.9001]), rules).power
    assert (found.one_pair.difference, found.one_pair.equivalence) == (5, 5)


def test_runs_that_did_not_train_are_no_spread(arm: MakeArm, rules: Rules) -> None:
    whole = arm("a", [0.9, 0.91, 0.9, 0.89]) + arm("b", [0.9, 0.9, 0.91, 0.9])
    (found,) = summarize([*whole, *arm("a", [0.1] * 4, epochs=9), *arm("b", [0.9] * 4, epochs=9)], rules).power[:1]
    (with_stalled,) = summarize(
        [*arm("a", [0.9, 0.91, 0.9, 0.89, 0.1]), *arm("b", [0.9, 0.9, 0.91, 0.9, 0.9])], rules
    ).power
    assert with_stalled.sd_points == pytest.approx(found.sd_points)


def test_a_block_without_pairs_needs_a_number_of_seeds_that_nobody_knows(arm: MakeArm, rules: Rules) -> None:
    (found,) = summarize(arm("a", [0.9, 0.91]), rules).power
    assert found.sd_points is None
    assert found.one_pair == found.all_pairs == Seeds(None, None, 29)


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


def test_a_crossed_design_says_where_the_spread_comes_from(crossed: list[Row], rules: Rules) -> None:
    found, _ = summarize(crossed, rules).variance
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


def test_a_grid_with_a_hole_is_left_out_and_one_seed_for_both_is_no_design(
    crossed: list[Row], rows: list[Row], rules: Rules
) -> None:
    crossed[0].status, crossed[0].measures["test_accuracy"] = "diverged", None
    assert [one.name for one in summarize(crossed, rules).variance] == ["b"]
    assert summarize(rows, rules).variance == []
