from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.machine.settings import Settings
from bench.report import Summary, render, sheet, summarize, summarize_study
from bench.report.statistics.sequential import levels
from bench.report.wording.study import look as sentence
from bench.report.wording.study import notes
from bench.schema import Row

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


def verdicts(summary: Summary) -> list[str]:
    """Of the pairs of the only block."""
    return [pair.verdict for pair in summary.findings[0].pairs]


@pytest.mark.parametrize(("seeds", "number"), [(5, 1), (10, 2), (20, 3)])
def test_a_planned_look_takes_its_share_of_the_level(study: MakeArm, seeds: int, number: int) -> None:
    summary = summarize(study(seeds), 0.3, looks=LOOKS)
    assert summary.interim_look is not None
    assert (summary.interim_look.number, summary.interim_look.seeds) == (number, seeds)
    assert summary.alpha == summary.interim_look.alpha == levels(LOOKS, 0.05)[number - 1]
    assert notes(summary) == [sentence(summary.interim_look)]
    assert f"Look {number} of 3, at {seeds} of 20 seeds" in render(sheet(summary), width=1000)


def test_a_verdict_of_an_early_look_needs_more_evidence(arm: MakeArm) -> None:
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.91]) + arm("b", [0.89, 0.91, 0.9, 0.89, 0.89])
    (pair,) = summarize(rows, 0.3).findings[0].pairs
    assert pair.p_holm is not None
    assert levels(LOOKS, 0.05)[0] < pair.p_holm < 0.05
    assert verdicts(summarize(rows, 0.3)) == ["different"]
    assert verdicts(summarize(rows, 0.3, looks=LOOKS)) == ["undecided"]
    assert verdicts(summarize(rows, 0.3, looks=[5])) == ["different"]


def test_the_question_and_the_rates_have_the_level_of_the_look(arm: MakeArm, row: Callable[..., Row]) -> None:
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.91]) + arm("b", [0.89, 0.91, 0.9, 0.89, 0.89])
    lost = [row("c", seed, status="diverged") for seed in range(5)]
    for looks, verdict, block in ((LOOKS, "undecided", "undecided"), ([5], "different", "matters")):
        summary = summarize(rows, 0.3, ["a", "b"], looks)
        assert summary.question is not None
        assert summary.question.verdicts() == [verdict]
        assert summarize(rows[:5] + lost, 0.3, looks=looks).findings[0].verdict == block


@pytest.mark.parametrize(
    ("counts", "there", "due"), [((3, 3), "3 seeds", 5), ((7, 7), "7 seeds", 10), ((10, 7), "7 to 10 seeds", 10)]
)
def test_between_looks_no_verdict_is_due(study: MakeArm, counts: tuple[int, int], there: str, due: int) -> None:
    summary = summarize(study(*counts), 0.3, looks=LOOKS)
    assert summary.interim_look is not None
    assert (summary.interim_look.number, summary.alpha) == (None, 0)
    assert f"Arms have {there}" in sentence(summary.interim_look)
    assert f"before all have {due}." in sentence(summary.interim_look)
    assert verdicts(summary) == ["undecided"]


def test_more_seeds_than_planned_are_said(study: MakeArm) -> None:
    look = summarize(study(22), 0.3, looks=LOOKS).interim_look
    assert look is not None
    assert (look.number, look.alpha) == (3, levels(LOOKS, 0.05)[-1])
    assert "22 seeds, more than planned" in sentence(look)
    assert "20 to 22 seeds" in sentence(summarize(study(20, 22), 0.3, looks=LOOKS).interim_look or look)


def test_a_failed_run_has_had_its_seed_and_a_preempted_one_has_not(study: MakeArm) -> None:
    for status, number in (("failed", 1), ("preempted", None)):
        rows = study(5)
        rows[0].status, rows[0].measures["test_accuracy"] = status, None
        look = summarize(rows, 0.3, looks=LOOKS).interim_look
        assert look is not None
        assert look.number == number


def test_a_study_without_looks_has_its_whole_level(study: MakeArm) -> None:
    summary = summarize(study(7), 0.3)
    assert (summary.interim_look, summary.alpha, notes(summary)) == (None, 0.05, [])


@pytest.mark.parametrize("looks", [[10, 5], [0, 5], [1], [5.5], "5,10"])
def test_looks_that_are_no_plan_are_refused(study: MakeArm, looks: Any) -> None:
    with pytest.raises(ValueError, match=r"looks.*\[5, 10"):
        summarize(study(5), 0.3, looks=looks)


def test_a_study_may_name_its_margin_and_its_looks(study: MakeArm, settings: Settings) -> None:
    assert summarize_study(study(5), settings).margin_points == settings.margin
    named = replace(settings, study=replace(settings.study, margin=2, looks=LOOKS))
    summary = summarize_study(study(5), named)
    assert summary.margin_points == 2
    assert summary.interim_look is not None
    assert summary.interim_look.planned == tuple(LOOKS)
