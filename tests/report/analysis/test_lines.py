"""Another line between trained and stalled, and what it changes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.report import Summary, summarize
from bench.report.analysis.lines import OtherLine, other_line
from bench.report.analysis.rules import Margin, Rules
from bench.schema import Row

MakeArm = Callable[..., list[Row]]


@pytest.fixture
def study(arm: MakeArm, rules: Rules) -> Summary:
    """Five of ten runs of b reach 25 %: they have trained at a line of a tenth (19 %), not at one of a fifth (28 %)."""
    close = [0.9, 0.901, 0.899, 0.902, 0.9]
    rows = [
        *arm("a", close * 2),
        *arm("b", [*close, *[0.25] * 5]),
        *arm("a", close * 2, activation="tanh"),
        *arm("b", [0.5] * 10, activation="tanh"),
    ]
    return summarize(rows, replace(rules, question=("a", "b")))


def test_another_line_counts_the_runs_and_names_the_verdicts_that_it_changes(study: Summary) -> None:
    """Values in two modes are tested by sign changes: undecided at a line of a tenth, where five of ten have them."""
    assert [finding.verdict for finding in study.findings] == ["undecided", "matters"]
    found = other_line(study.judged, 0.2)
    assert found == OtherLine(line=0.2, runs=5, blocks=("relu",), pairs=1, all_pairs=2, question=("relu",))
    assert found.changes


def test_a_line_between_the_same_runs_changes_nothing(study: Summary) -> None:
    found = other_line(study.judged, 0.05)
    assert (found.runs, found.blocks, found.pairs, found.question, found.changes) == (0, (), 0, (), False)


def test_a_run_may_change_its_outcome_without_a_verdict(study: Summary, arm: MakeArm, rules: Rules) -> None:
    rows = [*arm("a", [0.9, 0.9, 0.9]), *arm("b", [0.9, 0.9, 0.25])]
    found = other_line(summarize(rows, rules).judged, 0.2)
    assert (found.runs, found.changes) == (1, False)


def test_a_pair_that_another_line_leaves_open_in_its_accuracies_has_changed(arm: MakeArm, rules: Rules) -> None:
    rows = [*arm("a", [0.9] * 6), *arm("b", [*[0.9] * 4, 0.25, 0.25])]
    before = summarize(rows, replace(rules, line=0.05, margin=Margin(points=60.0)))
    assert before.findings[0].pairs[0].rate_open
    assert other_line(before.judged, 0.2).pairs == 1


def test_no_line_is_tried_twice(study: Summary, rules: Rules) -> None:
    assert [one.line for one in summarize(study.rows, replace(rules, line=0.99)).other_lines] == [0.495, 0.995]


def test_a_summary_tries_half_and_twice_its_line(study: Summary, rules: Rules) -> None:
    assert [one.line for one in study.other_lines] == [0.05, 0.2]
    assert study.other_lines[1] == other_line(study.judged, 0.2)
    high = summarize(study.rows, replace(rules, line=0.8))
    assert [one.line for one in high.other_lines] == [0.4, 0.9]  # beyond 1 no run has trained
    assert summarize(study.rows, replace(rules, line=0.0)).other_lines == []


def test_an_arm_that_trains_no_more_still_has_its_pair(arm: MakeArm, rules: Rules) -> None:
    rows = [*arm("a", [0.9] * 5), *arm("b", [0.25] * 5)]
    found = other_line(summarize(rows, rules).judged, 0.2)
    assert (found.runs, found.pairs, found.all_pairs) == (5, 0, 1)  # different in accuracy, then in rate
