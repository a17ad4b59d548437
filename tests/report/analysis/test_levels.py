"""The verdicts by each choice of the blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.report import Summary
from bench.report.analysis.answers import MARGIN, answers
from bench.report.analysis.levels import by_choice, telling
from bench.report.tables import results
from bench.report.wording.factor import factor
from bench.schema import Row

NOISE = np.random.default_rng(3).normal(0, 0.004, 20)


@pytest.fixture
def summary(make_study: Callable[..., Summary], row: Callable[..., Row]) -> Summary:
    """Without normalization `low` is 20 points lower whatever the activation, and one of its runs does not train."""

    def accuracy(arm: str, normalization: str, seed: int) -> float:
        if (arm, normalization, seed) == ("low", "none", 0):
            return 0.1
        return float(0.9 - 0.2 * (arm == "low" and normalization == "none") + NOISE[seed])

    rows = [
        row(arm, seed, accuracy(arm, normalization, seed), normalization=normalization, activation=activation)
        for normalization in ("batch", "none")
        for activation in ("relu", "tanh")
        for arm in ("high", "low", "middle")
        for seed in range(12)
    ]
    return make_study(rows, question=[])


def test_the_choice_comes_first_on_which_a_difference_depends(summary: Summary) -> None:
    found = by_choice(summary.findings)
    assert [*found] == ["normalization", "activation"]
    batch, none = found["normalization"]
    gap = (11 * 20 + 80 + 100 * NOISE[0]) / 12  # of eleven pairs of runs 20 points, of one 80
    assert (batch.value, none.value) == ("batch", "none")
    assert (batch.gap, none.gap) == (pytest.approx(0.0, abs=1e-9), pytest.approx(gap))
    relu, tanh = found["activation"]
    assert [relu.gap, tanh.gap] == pytest.approx([none.gap / 2] * 2)
    assert factor(summary) == (
        "What the initializer changes depends most on the normalization: by the mean over all runs the best and the "
        f"worst arm of the median block lie apart by 0.0 points with batch norm (0.0 in 2 blocks) and {none.gap:.1f} "
        f"points without normalization ({none.gap:.1f} in 2 blocks); of the pairs of arms 0 of 6 and 4 of 6 are "
        "shown to be different."
    )


def test_the_table_counts_each_pair_once_for_each_choice(summary: Summary) -> None:
    table = results.levels(summary)
    lines: list[dict[str, Any]] = [
        {name: cell.text for name, cell in zip(table.header, line, strict=True)} for line in table.lines
    ]
    assert [(one["choice"], one["value"], one["blocks"], one["pairs"]) for one in lines] == [
        ("normalization", "batch", "2", "6"),
        ("normalization", "none", "2", "6"),
        ("activation", "relu", "2", "6"),
        ("activation", "tanh", "2", "6"),
    ]
    without = lines[1]
    assert (without["different"], without["training rates %"]) == ("4", "92 to 100")
    assert without["widest difference shown"].startswith(("high over low +20", "middle over low +20"))
    assert lines[0]["widest difference shown"] == "-"


def test_one_block_and_equal_arms_have_no_factor(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]]
) -> None:
    one = make_study([*arm("a", [0.9] * 6), *arm("b", [0.5] * 6)], question=[])
    assert (by_choice(one.findings), factor(one)) == ({}, "")
    same = [row for name in "ab" for kind in ("relu", "tanh") for row in arm(name, [0.9] * 6, activation=kind)]
    assert factor(make_study(same, question=[])) == ""


def test_a_gap_is_of_the_arms_that_all_blocks_have(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]]
) -> None:
    rows = [row for kind in ("batch", "none") for name in "ab" for row in arm(name, [0.9] * 6, normalization=kind)]
    rows += arm("c", [0.2] * 6, normalization="none")
    found = by_choice(make_study(rows, question=[]).findings)["normalization"]
    assert [one.gaps for one in found] == [[0.0], [0.0]]
    assert by_choice([]) == {}


def test_a_level_whose_arms_failed_is_left_out_of_the_sentence(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]], row: Callable[..., Row]
) -> None:
    rows = [run for kind in ("batch", "group") for name in "ab" for run in arm(name, [0.9] * 6, normalization=kind)]
    rows += [*arm("a", [0.9] * 6, normalization="none"), *arm("b", [0.5] * 6, normalization="none")]
    lost = [row("b", seed, 0.0, "failed", normalization="group") for seed in range(6)]
    rows = [one for one in rows if (one.choices["initializer"], one.choices["normalization"]) != ("b", "group")] + lost
    found = make_study(rows, question=["a", "b"])
    assert [level.gap for level in by_choice(found.findings)["normalization"]] == [0.0, None, pytest.approx(40.0)]
    assert "by 0.0 points with batch norm (0.0 in 1 block) and 40.0 points without normalization" in factor(found)


def test_a_choice_that_is_a_list_tells_blocks_apart(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]]
) -> None:
    rows = [
        run
        for first, low in ((0.9, 0.9), (0.5, 0.4))
        for model in ("plain14", "resnet20")
        for name, level in (("a", 0.9), ("b", low))
        for run in arm(name, [level + 0.001 * seed for seed in range(8)], model=model, optimizer__betas=[first, 0.999])
    ]
    blocks = make_study(rows, question=[]).findings
    assert telling(blocks, [repr(one.choices["optimizer.betas"]) for one in blocks]) == "optimizer.betas"
    found = answers([make_study(rows, name=name, question=["a", "b"]) for name in ("one", "two")])
    assert [(one.value, one.counts) for one in found] == [([0.5, 0.999], {"a": 4}), ([0.9, 0.999], {MARGIN: 4})]
    assert answers([]) == []
