"""A study as Weights & Biases shows it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.report.analysis.study_log import study_log
from bench.schema import Row

MakeRow = Callable[..., Row]


def curved(row: Row, *accuracies: float | None) -> Row:
    curve: list[dict[str, Any]] = [{"epoch": number, "accuracy": one} for number, one in enumerate(accuracies, start=1)]
    return replace(row, curve=curve)


def test_a_line_is_the_mean_of_an_arm_in_a_block_over_the_runs_that_have_the_epoch(row: MakeRow) -> None:
    rows = [
        curved(row("a", 0), 0.25, 0.5),
        curved(row("a", 1), 0.75, None),  # it diverged
        curved(row("a", 0, model="plain14"), 0.5),
        curved(row("b", 0, initializer__scale=1.0), 0.5),
        curved(row("b", 0, initializer__scale=2.0), 1.0),
        row("a", 2),
    ]
    assert study_log("mine", rows).curves == {
        "accuracy": {
            "a plain14": [(1, 0.5)],
            "a resnet20": [(1, 0.5), (2, 0.5)],
            "b(scale=1.0) resnet20": [(1, 0.5)],
            "b(scale=2.0) resnet20": [(1, 1.0)],
        }
    }


def test_only_runs_that_ended_are_shown(row: MakeRow) -> None:
    rows = [row("a", seed, status=status) for seed, status in enumerate(("ok", "diverged", "failed", "preempted"))]
    log = study_log("mine", rows)
    assert (
        [one.status for one in log.rows] == [record["status"] for record in log.records] == ["ok", "diverged", "failed"]
    )


@pytest.mark.parametrize("key", ["environment.classes", "error.cause"])
def test_a_record_has_choices_and_measures_alone(row: MakeRow, key: str) -> None:
    (record,) = study_log("mine", [replace(row("a", 3), measures={"epochs": 2.5, "loss": 1.0})]).records
    assert (record["seed"], record["epochs"], record["measure.epochs"], record["loss"]) == (3, 6, 2.5, 1.0)
    assert key not in record
