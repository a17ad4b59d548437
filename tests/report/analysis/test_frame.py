from collections.abc import Callable

import pytest

from bench.report import frame
from bench.schema import Row, UserError

MakeRow = Callable[..., Row]


def test_a_frame_has_one_line_per_run_with_its_choices_measures_and_status(row: MakeRow) -> None:
    table = frame([row("lsuv", 3, 0.75), row("lsuv", 4, status="diverged")])
    line = table[table["seed"] == 3].iloc[0]
    assert len(table) == 2
    assert (line["initializer"], line["optimizer.learning_rate"], line["status"]) == ("lsuv", 0.05, "ok")
    assert (line["test_accuracy"], line["environment.test_images"]) == (0.75, 10_000)


def test_a_missing_choice_does_not_turn_its_neighbours_into_floats(row: MakeRow) -> None:
    table = frame([row(model="plain", model__width=8), row(model="resnet20")])
    assert table.loc[table["model"] == "plain", "model.width"].item() == 8
    assert type(table.loc[table["model"] == "plain", "model.width"].item()) is int


def test_a_diverged_run_has_a_line_and_its_accuracy_is_missing_in_a_numeric_column(row: MakeRow) -> None:
    table = frame([row(seed=0, accuracy=0.5), row(seed=1, status="diverged")])
    assert table["test_accuracy"].mean() == 0.5
    assert table["test_accuracy"].isna().sum() == 1


def test_a_failed_run_shows_its_error(row: MakeRow) -> None:
    assert frame([row(status="failed")])["error.cause"].item() == "boom"


def test_a_measure_named_like_a_choice_keeps_both(row: MakeRow) -> None:
    short = row()
    short.measures["epochs"] = 2
    table = frame([short])
    assert (table["epochs"].item(), table["measure.epochs"].item()) == (6, 2)


def test_no_rows_are_an_error_and_not_an_empty_frame() -> None:
    with pytest.raises(UserError, match="no rows"):
        frame(iter([]))


def test_a_run_that_stands_twice_is_refused(row: MakeRow) -> None:
    with pytest.raises(UserError, match="stands 2 times"):
        frame([row(), row(), row(seed=1)])
