import statistics
from collections.abc import Callable

import pytest
from scipy import stats

from bench.report import Summary
from bench.report.paper.evidence import evidence
from bench.report.paper.keys import flat
from bench.schema import Row

RELU, TANH = "resnet20.batch.relu", "resnet20.batch.tanh"


def test_an_accuracy_is_the_mean_of_its_rows_with_students_interval(study: Summary) -> None:
    values = [100 * one for one in (0.9, 0.91, 0.92, 0.9, 0.91, 0.9)]
    center, error = statistics.mean(values), stats.sem(values)
    low, high = stats.t.interval(0.95, 5, center, error)
    keys = flat(evidence(study))
    assert keys[f"acc.he_normal.{RELU}"] == f"{center:.2f} % [{low:.2f}, {high:.2f}]"
    assert keys[f"acc.he_normal.{RELU}.n"] == "6"


def test_rates_verdicts_and_differences_have_keys(study: Summary) -> None:
    keys = flat(evidence(study))
    assert keys[f"rate.fixup.{RELU}"] == "5 of 6 runs"
    assert keys[f"rate.fixup.{RELU}.diverged"] == "1"
    assert keys[f"block.{RELU}"] == "matters"
    assert keys[f"block.{TANH}"] == "undecided"
    assert keys[f"block.{RELU}.leading"] == "he_normal"
    assert keys[f"difference.he_normal.fixup.{RELU}"].startswith("+49.80 [")
    assert keys[f"difference.fixup.he_normal.{RELU}"].startswith("-49.80 [")
    assert keys[f"question.difference.{RELU}.verdict"] == "different"
    assert (keys["runs.total"], keys["runs.trained"], keys["runs.diverged"]) == ("24", "23", "1")


def test_a_changed_row_changes_its_keys(study: Summary, make_study: Callable[..., Summary]) -> None:
    before = flat(evidence(study))
    victim = next(row for row in study.rows if row.choices["initializer"] == "he_normal")
    victim.measures["test_accuracy"] = 0.1
    after = flat(evidence(make_study(study.rows)))
    assert before[f"acc.he_normal.{RELU}"] != after[f"acc.he_normal.{RELU}"]
    assert before[f"acc.fixup.{TANH}"] == after[f"acc.fixup.{TANH}"]


def test_one_run_has_no_interval_and_says_so(make_study: Callable[..., Summary], arm: Callable[..., list[Row]]) -> None:
    keys = flat(evidence(make_study(arm("he_normal", [0.9]), question=[])))
    assert keys[f"acc.he_normal.{RELU}"] == "90.00 % no interval (one run)"


def test_an_arm_without_a_trained_run_has_no_mean(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]], row: Callable[..., Row]
) -> None:
    keys = flat(evidence(make_study([*arm("he_normal", [0.9, 0.8]), row("fixup", status="diverged")])))
    assert keys[f"acc.fixup.{RELU}"] == "no mean"


def test_a_choice_that_is_no_word_of_the_house_ends_a_key_with_its_name(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]]
) -> None:
    rows = [
        row
        for rate in (0.1, 0.01)
        for name in ("he_normal", "fixup")
        for row in arm(name, [0.9, 0.8], optimizer__learning_rate=rate)
    ]
    assert f"acc.fixup.{RELU}.learning_rate=0.01" in flat(evidence(make_study(rows)))


@pytest.mark.parametrize("name", ["keys", "items", "_children"])
def test_an_initializer_may_be_called_as_it_likes(
    make_study: Callable[..., Summary], arm: Callable[..., list[Row]], name: str
) -> None:
    tree = evidence(make_study(arm(name, [0.9, 0.8]), question=[]))
    assert str(tree["acc"][name]["resnet20"]["batch"]["relu"]).startswith("85.00 %")
