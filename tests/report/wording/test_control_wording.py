"""What is said of the hidden A/A arm."""

from collections.abc import Callable

import pytest

from bench.report import FORMATS, render, sheet, summarize
from bench.report.analysis.control import Control
from bench.report.analysis.rules import Rules
from bench.report.wording.study import control as sentence
from bench.schema import Row

MakeArm = Callable[..., list[Row]]


@pytest.fixture
def rows(arm: MakeArm) -> list[Row]:
    """Two blocks of an arm and its control, the second of which differs by chance and diverged once."""
    ours, theirs = [0.9, 0.901, 0.899, 0.9, 0.9005], [0.9, 0.9, 0.901, 0.899, 0.9]
    found = [*arm("a", ours), *arm("again", theirs, initializer__of="a"), *arm("a", ours, activation="tanh")]
    found += arm("again", [*[one - 0.1 for one in theirs], 0.8], activation="tanh", initializer__of="a")
    found[-1].status, found[-1].measures["test_accuracy"] = "diverged", None
    return found


def control(rows: list[Row], rules: Rules) -> Control:
    found = summarize(rows, rules).control
    assert found is not None
    return found


def test_the_verdicts_on_arms_that_cannot_differ_are_counted(rows: list[Row], rules: Rules) -> None:
    found = sentence(control(rows, rules))
    assert found.startswith("Control: again draws a anew from a stream of its own (11 runs, 10 trained)")
    assert "Of 2 pairs that cannot differ: different 1, equal in accuracy 1" in found
    assert "at this level chance alone calls at most 5 % of such pairs different" in found


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"csv"}))
def test_every_format_has_the_control(rows: list[Row], rules: Rules, format: str) -> None:
    summary = summarize(rows, rules)
    assert sentence(control(rows, rules)).split(";")[0] in render(sheet(summary), format, width=1000)


def test_a_control_without_its_twin_tells_nothing(rows: list[Row], arm: MakeArm, rules: Rules) -> None:
    without = [row for row in rows if row.choices["initializer"] != "a"]
    assert "tells nothing" in sentence(control([*without, *arm("b", [0.9])], rules))
