"""What a summary says over all blocks: ranks, aggregates, seeds needed, and where the spread comes from."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.report import summarize
from bench.report.statistics import power as design
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


@pytest.fixture
def rows(row: MakeRow) -> list[Row]:
    """Three arms in four blocks of five seeds; one run of c diverged in one of them."""
    generator = np.random.default_rng(2)
    return [
        row(
            arm,
            seed,
            round(float(generator.normal(0.8 + 0.02 * "cba".index(arm), 0.02)), 4),
            "diverged" if (arm, width, seed) == ("c", 8, 1) else "ok",
            model__width=width,
        )
        for width in (4, 8, 16, 32)
        for arm in "abc"
        for seed in range(5)
    ]


def scores(rows: list[Row]) -> pd.DataFrame:
    """Every run with its score, by hand: 0 at chance (ten classes) or diverged, 1 at no error."""
    table = pd.DataFrame([{**row.choices, "accuracy": row.measures["test_accuracy"]} for row in rows])
    return table.assign(score=((table["accuracy"].fillna(0.1) - 0.1) / 0.9).clip(lower=0))


def test_ranks_are_those_of_scipy_on_the_mean_scores(rows: list[Row]) -> None:
    means = scores(rows).pivot_table(index="model.width", columns="initializer", values="score")
    expected = stats.friedmanchisquare(*means.to_numpy().T)
    ranks = summarize(rows, 0.3).ranks
    assert ranks is not None
    assert (ranks.statistic, ranks.p, ranks.blocks) == pytest.approx((expected.statistic, expected.pvalue, 4))
    mean_ranks = dict(zip(ranks.table["initializer"], ranks.table["mean_rank"], strict=True))
    assert mean_ranks == pytest.approx(means.rank(axis=1, ascending=False).mean().to_dict())
    assert ranks.table["mean_rank"].is_monotonic_increasing
    assert f"p = {expected.pvalue:.2g}" in ranks.sentence


def test_groups_hold_the_arms_within_the_critical_difference(rows: list[Row]) -> None:
    ranks = summarize(rows, 0.3).ranks
    assert ranks is not None
    place = ranks.table.set_index("initializer")["mean_rank"]
    for one, other, p in ranks.pairs.itertuples(index=False):
        together = any({one, other} <= set(group) for group in ranks.groups)
        assert together == (abs(place[one] - place[other]) <= ranks.critical_difference) == (p >= ranks.alpha)


def test_aggregates_count_a_diverged_run_as_chance_and_never_drop_it(rows: list[Row]) -> None:
    table = summarize(rows, 0.3).aggregates.set_index("initializer")
    for arm, group in scores(rows).groupby("initializer"):
        assert table.loc[arm, "iqm"] == pytest.approx(stats.trim_mean(group["score"], 0.25))
        assert table.loc[arm, "optimality_gap"] == pytest.approx(1 - group["score"].mean())
        assert (table.loc[arm, "blocks"], table.loc[arm, "runs"]) == (4, 20)
        assert table.loc[arm, "iqm_low"] < table.loc[arm, "iqm"] < table.loc[arm, "iqm_high"]
    assert list(table.index) == ["a", "b", "c"]


def test_profiles_are_shares_of_all_ended_runs(rows: list[Row]) -> None:
    profile = summarize(rows, 0.3).profiles
    c = profile[profile["initializer"] == "c"].set_index("score")
    assert c.loc[0.0, "share"] == 19 / 20
    assert (c["share_low"] <= c["share"]).all()


def test_the_probabilities_of_improvement_of_a_pair_add_up(rows: list[Row]) -> None:
    table = summarize(rows, 0.3).improvement.set_index(["initializer", "other"])["probability"]
    assert len(table) == 6
    assert table["a", "c"] + table["c", "a"] == pytest.approx(1)
    assert table["a", "c"] > 0.5


def test_only_blocks_that_have_every_arm_are_compared(rows: list[Row], arm: MakeArm) -> None:
    more = [*rows, *arm("a", [0.99] * 5, model__width=64), *arm("b", [0.1] * 5, model__width=64)]
    assert summarize(more, 0.3).aggregates.equals(summarize(rows, 0.3).aggregates)
    lone = [*rows, *arm("d", [0.9] * 5, model__width=64)]
    summary = summarize(lone, 0.3)
    assert summary.ranks is None
    assert [len(one) for one in (summary.aggregates, summary.profiles, summary.improvement)] == [0, 0, 0]


def test_one_block_or_one_arm_has_no_ranks(arm: MakeArm) -> None:
    assert summarize(arm("a", [0.9, 0.91]) + arm("b", [0.8, 0.81]), 0.3).ranks is None
    alone = summarize(arm("a", [0.9, 0.91]) + arm("a", [0.8, 0.9], epochs=9), 0.3)
    assert alone.ranks is None
    assert len(alone.aggregates) == 1
    assert alone.power[["seeds_for_margin", "sd_points"]].isna().all(axis=None)


def test_the_seeds_that_the_margin_needs_come_from_the_spread_of_paired_differences(rows: list[Row]) -> None:
    line = summarize(rows, 0.3).power.iloc[0]
    wide = scores(rows).query("`model.width` == 4").pivot_table(index="seed", columns="initializer", values="accuracy")
    variances = [(wide[one] - wide[other]).var() for one, other in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert line["sd_points"] == pytest.approx(100 * np.mean(variances) ** 0.5)
    assert line["seeds_for_margin"] == design.seeds_needed(0.3, line["sd_points"])
    assert line["seeds_for_family"] == design.seeds_needed(0.3, line["sd_points"], 0.05 / 3)
    assert (line["name"], line["pairs"], line["power"]) == ("width=4", 3, 0.8)


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
    table = summarize(crossed, 0.3).variance.set_index("initializer")
    values = 100 * np.array(
        [[row.measures["test_accuracy"] for row in crossed[4 * s : 4 * s + 4]] for s in range(5)], float
    )
    expected = design.variance(values)
    assert table.loc["a", "sd_initialization_points"] == pytest.approx(expected.initialization**0.5)
    assert table.loc["a", "sd_order_points"] == pytest.approx(expected.order**0.5)
    assert table.loc["a", "sd_rest_points"] == pytest.approx(expected.rest**0.5)
    assert table.loc["a", "sd_points"] == pytest.approx(expected.total**0.5)
    assert (table.loc["a", "initializations"], table.loc["a", "orders"]) == (5, 4)
    assert "order_seed" not in table.columns


def test_a_grid_with_a_hole_is_left_out_and_one_seed_for_both_is_no_design(crossed: list[Row], rows: list[Row]) -> None:
    crossed[0].status, crossed[0].measures["test_accuracy"] = "diverged", None
    assert summarize(crossed, 0.3).variance["initializer"].tolist() == ["b"]
    assert summarize(rows, 0.3).variance.empty
