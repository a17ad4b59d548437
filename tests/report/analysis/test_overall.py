"""What a summary says over all blocks: ranks, aggregates, the probability of improvement."""

from collections.abc import Callable

import pandas as pd
import pytest
from scipy import stats

from bench.report import summarize
from bench.report.analysis.rules import Rules
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def scores(rows: list[Row]) -> pd.DataFrame:
    """Every run with its score, by hand: 0 at chance (ten classes) or diverged, 1 at no error."""
    table = pd.DataFrame([{**row.choices, "accuracy": row.measures["test_accuracy"]} for row in rows])
    return table.assign(score=((table["accuracy"].fillna(0.1) - 0.1) / 0.9).clip(lower=0))


def test_ranks_are_those_of_scipy_on_the_mean_scores(rows: list[Row], rules: Rules) -> None:
    means = scores(rows).pivot_table(index="model.width", columns="initializer", values="score")
    expected = stats.friedmanchisquare(*means.to_numpy().T)
    ranks = summarize(rows, rules).ranks
    assert ranks is not None
    assert (ranks.statistic, ranks.p, ranks.blocks) == pytest.approx((expected.statistic, expected.pvalue, 4))
    assert ranks.mean_ranks == pytest.approx(means.rank(axis=1, ascending=False).mean().to_dict())
    assert list(ranks.mean_ranks.values()) == sorted(ranks.mean_ranks.values())


def test_groups_hold_the_arms_within_the_critical_difference(rows: list[Row], rules: Rules) -> None:
    ranks = summarize(rows, rules).ranks
    assert ranks is not None
    mean = ranks.mean_ranks
    assert len(ranks.pairs) == 3
    for (one, other), p in ranks.pairs.items():
        together = any({one, other} <= set(group) for group in ranks.groups)
        assert together == (abs(mean[one] - mean[other]) <= ranks.critical_difference) == (p >= ranks.alpha)


def test_aggregates_count_a_diverged_run_as_chance_and_never_drop_it(rows: list[Row], rules: Rules) -> None:
    found = summarize(rows, rules).aggregates
    by_arm = scores(rows).groupby("initializer")["score"]
    for one in found:
        values = by_arm.get_group(one.name)
        assert one.iqm.value == pytest.approx(stats.trim_mean(values, 0.25))
        assert one.optimality_gap.value == pytest.approx(1 - values.mean())
        assert (one.blocks, one.runs) == (4, 20)
        assert one.iqm.low is not None
        assert one.iqm.high is not None
        assert one.iqm.low < one.iqm.value < one.iqm.high
    assert [one.name for one in found] == ["a", "b", "c"]


def test_the_probabilities_of_improvement_of_a_pair_add_up(rows: list[Row], rules: Rules) -> None:
    found = summarize(rows, rules).improvement
    there, back = found["a", "c"], found["c", "a"]
    assert len(found) == 6
    assert there.value + back.value == pytest.approx(1)
    assert there.value > 0.5
    assert (back.low, back.high) == (1 - (there.high or 0), 1 - (there.low or 0))


def test_only_blocks_that_have_every_arm_are_compared(rows: list[Row], arm: MakeArm, rules: Rules) -> None:
    more = [*rows, *arm("a", [0.99] * 5, model__width=64), *arm("b", [0.1] * 5, model__width=64)]
    assert summarize(more, rules).aggregates == summarize(rows, rules).aggregates
    lone = [*rows, *arm("d", [0.9] * 5, model__width=64)]
    summary = summarize(lone, rules)
    assert summary.ranks is None
    assert (summary.aggregates, summary.improvement) == ([], {})


def test_one_block_or_one_arm_has_no_ranks(arm: MakeArm, rules: Rules) -> None:
    assert summarize(arm("a", [0.9, 0.91]) + arm("b", [0.8, 0.81]), rules).ranks is None
    alone = summarize(arm("a", [0.9, 0.91]) + arm("a", [0.8, 0.9], epochs=9), rules)
    assert alone.ranks is None
    assert len(alone.aggregates) == 1
