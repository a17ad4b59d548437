from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.machine.settings import Settings
from bench.report import Summary, summarize, summarize_study
from bench.report.analysis.rules import Margin, Rules
from bench.report.statistics.sequential import levels
from bench.schema import Row

LOOKS = (5, 10, 20)
MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Look = Callable[..., Summary]


@pytest.fixture
def look(rules: Rules) -> Look:
    """The summary of rows by rules with the planned looks, and a question of a against b."""

    def look(rows: list[Row], looks: Any = LOOKS) -> Summary:
        return summarize(rows, replace(rules, looks=looks, question=("a", "b")))

    return look


@pytest.fixture
def study(arm: MakeArm) -> Callable[..., list[Row]]:
    """Two arms a point apart, with their numbers of seeds."""

    def make(ours: int, theirs: int | None = None, **settings: Any) -> list[Row]:
        counts = ours, ours if theirs is None else theirs
        reached = [0.9, 0.905], [0.89, 0.894]
        return [
            row
            for name, two, count in zip("ab", reached, counts, strict=True)
            for row in arm(name, (two * count)[:count], **settings)
        ]

    return make


@pytest.fixture
def close_call(arm: MakeArm) -> list[Row]:
    """Two arms of five seeds whose difference has an adjusted p between the level of the first look and 5 %."""
    return arm("a", [0.9, 0.905, 0.91, 0.9, 0.905]) + arm("b", [0.889, 0.904, 0.897, 0.887, 0.891])


def verdicts(summary: Summary) -> list[str]:
    """Of the pairs of the only block, of the block, and of the question."""
    assert summary.question is not None
    (finding,) = summary.findings
    return [*[pair.verdict for pair in finding.pairs], finding.verdict, *summary.question.verdicts]


@pytest.mark.parametrize(("seeds", "number"), [(5, 1), (10, 2), (20, 3)])
def test_a_planned_look_takes_its_share_of_the_level(study: MakeArm, look: Look, seeds: int, number: int) -> None:
    summary = look(study(seeds))
    assert summary.interim_look is not None
    assert (summary.interim_look.number, summary.interim_look.seeds) == (number, seeds)
    assert summary.alpha == summary.interim_look.alpha == levels(LOOKS, 0.05)[number - 1]
    assert {finding.alpha for finding in summary.findings} == {summary.alpha}


def test_a_verdict_of_an_early_look_needs_more_evidence(close_call: list[Row], look: Look) -> None:
    (pair,) = look(close_call).findings[0].pairs
    assert pair.accuracy.p_adjusted is not None
    assert levels(LOOKS, 0.05)[0] < pair.accuracy.p_adjusted < 0.05
    assert verdicts(look(close_call)) == ["undecided"] * 3
    for looks in ((), (5,)):
        assert verdicts(look(close_call, looks)) == ["different", "matters", "different"]


def test_the_rates_have_the_level_of_the_look(arm: MakeArm, row: MakeRow, look: Look) -> None:
    """Five of five against one of five have an adjusted p of 4.4 %."""
    rows = [*arm("a", [0.9] * 5), row("b", 0), *[row("b", seed, status="diverged") for seed in range(1, 5)]]
    assert verdicts(look(rows, (5,))) == ["different", "matters", "different"]
    assert verdicts(look(rows)) == ["undecided"] * 3


@pytest.mark.parametrize("counts", [(3, 3), (7, 7), (10, 7), (5, 4)])
def test_between_looks_no_verdict_is_due(study: MakeArm, look: Look, counts: tuple[int, int]) -> None:
    summary = look(study(*counts))
    assert summary.interim_look is not None
    assert (summary.interim_look.number, summary.alpha) == (None, 0)
    assert (summary.interim_look.seeds, summary.interim_look.most) == (min(counts), max(counts))
    assert verdicts(summary) == ["undecided"] * 3
    (finding,) = summary.findings
    assert (finding.leading, finding.level) == (["a", "b"], 0.05)


def test_between_looks_not_even_arms_that_never_train_have_a_verdict(arm: MakeArm, look: Look) -> None:
    rows = [*arm("a", [0.1] * 7), *arm("b", [0.1] * 7)]
    assert verdicts(look(rows)) == ["undecided"] * 3
    assert verdicts(look(rows, ())) == ["neither trains"] * 3


def test_more_seeds_than_planned_are_the_last_look(study: MakeArm, look: Look) -> None:
    for counts in ((22, 22), (20, 22)):
        found = look(study(*counts)).interim_look
        assert found is not None
        assert (found.number, found.alpha, found.most) == (3, levels(LOOKS, 0.05)[-1], 22)


def test_a_failed_run_has_had_its_seed_and_a_preempted_one_has_not(study: MakeArm, look: Look) -> None:
    for status, number in (("failed", 1), ("diverged", 1), ("preempted", None)):
        rows = study(5)
        rows[0].status, rows[0].measures["test_accuracy"] = status, None
        found = look(rows).interim_look
        assert found is not None
        assert found.number == number


def test_a_study_without_looks_has_its_whole_level(study: MakeArm, look: Look) -> None:
    summary = look(study(7), ())
    assert (summary.interim_look, summary.alpha) == (None, 0.05)


@pytest.mark.parametrize("looks", [[10, 5], [0, 5], [1], [5.5], "5,10"])
def test_looks_that_are_no_plan_are_refused(study: MakeArm, look: Look, looks: Any) -> None:
    with pytest.raises(ValueError, match=r"looks.*\[5, 10"):
        look(study(5), looks)


def test_a_study_is_judged_as_it_declares(study: MakeArm, settings: Settings) -> None:
    summary = summarize_study(study(5), settings)
    assert summary.rules == Rules.of(settings.study)
    named = replace(settings, study=replace(settings.study, margin=2, looks=[5, 8]))
    summary = summarize_study(study(5), named)
    assert summary.rules.margin == Margin(points=2)
    assert summary.interim_look is not None
    assert summary.interim_look.planned == (5, 8)
    assert summary.about["name"] == summary.name == "mine"
