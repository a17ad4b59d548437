from collections.abc import Callable
from typing import Any

import pytest

from bench.report import render, sheet, summarize, summarize_study
from bench.report.statistics.sequential import levels
from bench.schema import Row, UserError

LOOKS = [5, 10, 20]
MakeArm = Callable[..., list[Row]]


@pytest.fixture
def study(arm: MakeArm) -> Callable[..., list[Row]]:
    """Two arms a point apart, of so many seeds each."""

    def make(ours: int, theirs: int | None = None, **settings: Any) -> list[Row]:
        counts = ours, ours if theirs is None else theirs
        reached = [0.9, 0.905], [0.89, 0.894]
        return [
            row
            for name, two, count in zip("ab", reached, counts, strict=True)
            for row in arm(name, (two * count)[:count], **settings)
        ]

    return make


@pytest.mark.parametrize(("seeds", "number"), [(5, 1), (10, 2), (20, 3)])
def test_a_planned_look_takes_its_share_of_the_level(study: MakeArm, seeds: int, number: int) -> None:
    summary = summarize(study(seeds), 0.3, looks=LOOKS)
    assert summary.look is not None
    assert (summary.look.number, summary.look.seeds) == (number, seeds)
    assert summary.alpha == summary.look.alpha == levels(LOOKS, 0.05)[number - 1]
    assert summary.notes == (summary.look.sentence,)
    assert f"Look {number} of 3, at {seeds} of 20 seeds" in render(sheet(summary), width=1000)


def test_a_verdict_of_an_early_look_needs_more_evidence(arm: MakeArm) -> None:
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.91]) + arm("b", [0.89, 0.91, 0.9, 0.89, 0.89])
    (p,) = summarize(rows, 0.3).pairs["p_holm"]
    assert levels(LOOKS, 0.05)[0] < p < 0.05
    assert summarize(rows, 0.3).pairs["verdict"].tolist() == ["different"]
    assert summarize(rows, 0.3, looks=LOOKS).pairs["verdict"].tolist() == ["undecided"]
    assert summarize(rows, 0.3, looks=[5]).pairs["verdict"].tolist() == ["different"]


def test_the_question_and_the_rates_have_the_level_of_the_look(arm: MakeArm, row: Callable[..., Row]) -> None:
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.91]) + arm("b", [0.89, 0.91, 0.9, 0.89, 0.89])
    lost = [row("c", seed, status="diverged") for seed in range(5)]
    for looks, verdict, block in ((LOOKS, "undecided", "undecided"), ([5], "different", "matters")):
        summary = summarize(rows, 0.3, ["a", "b"], looks)
        assert summary.question is not None
        assert summary.question.pairs[0].verdict == verdict
        assert summarize(rows[:5] + lost, 0.3, looks=looks).blocks["verdict"].tolist() == [block]


@pytest.mark.parametrize(
    ("counts", "there", "due"), [((3, 3), "3 seeds", 5), ((7, 7), "7 seeds", 10), ((10, 7), "7 to 10 seeds", 10)]
)
def test_between_looks_no_verdict_is_due(study: MakeArm, counts: tuple[int, int], there: str, due: int) -> None:
    summary = summarize(study(*counts), 0.3, looks=LOOKS)
    assert summary.look is not None
    assert (summary.look.number, summary.alpha) == (None, 0)
    assert f"Arms have {there}" in summary.look.sentence
    assert f"before all have {due}." in summary.look.sentence
    assert summary.pairs["verdict"].tolist() == ["undecided"]


def test_more_seeds_than_planned_are_said(study: MakeArm) -> None:
    look = summarize(study(22), 0.3, looks=LOOKS).look
    assert look is not None
    assert (look.number, look.alpha) == (3, levels(LOOKS, 0.05)[-1])
    assert "22 seeds, more than planned" in look.sentence
    assert "20 to 22 seeds" in (summarize(study(20, 22), 0.3, looks=LOOKS).look or look).sentence


def test_a_failed_run_has_had_its_seed_and_a_preempted_one_has_not(study: MakeArm) -> None:
    for status, number in (("failed", 1), ("preempted", None)):
        rows = study(5)
        rows[0].status, rows[0].measures["test_accuracy"] = status, None
        look = summarize(rows, 0.3, looks=LOOKS).look
        assert look is not None
        assert look.number == number


def test_a_study_without_looks_has_its_whole_level(study: MakeArm) -> None:
    summary = summarize(study(7), 0.3)
    assert (summary.look, summary.alpha, summary.notes) == (None, 0.05, ())


@pytest.mark.parametrize("looks", [[10, 5], [0, 5], [1], [5.5], "5,10"])
def test_looks_that_are_no_plan_are_refused(study: MakeArm, looks: Any) -> None:
    with pytest.raises(UserError, match=r"looks.*\[5,10"):
        summarize_study(study(5), {"margin": 0.3, "study": {"looks": looks}})


def test_a_study_may_name_its_margin(study: MakeArm) -> None:
    named = {"margin": 0.3, "study": {"margin": 2, "looks": None}}
    assert summarize_study(study(5), named).margin_points == 2
    assert summarize_study(study(5), {"margin": 0.3, "study": {"margin": None}}).margin_points == 0.3
    for margin in ("wide", True, [0.3]):
        with pytest.raises(UserError, match="margin takes a number"):
            summarize_study(study(5), {"margin": 0.3, "study": {"margin": margin}})
