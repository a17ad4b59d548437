"""Today's code makes the committed rows: their runs begin as they did, which a card of these rows relies on."""

from pathlib import Path

import pytest

from bench import catalogue
from bench.rows.expiry import CURRENT, compared
from bench.rows.store import Store
from bench.schema import WORDS, Machine, Run
from bench.train.contract import task_of

ARM = ("model", "normalization", "activation", "initializer")
HERE = Machine("cpu", 1, Path("data"), download=False)


def first_of_each_arm(study):
    rows = Store(catalogue.CONF.parent / "results", study).read().rows
    return [*{tuple(rows[id].choices[word] for word in ARM): rows[id] for id in sorted(rows, reverse=True)}.values()]


def begun(row, steps):
    functions = {word: catalogue.options(word)[row.choices[word]]["function"] for word in WORDS if word in row.choices}
    run = Run(row.study, row.choices, functions)
    return task_of(run).begin(run, HERE, steps)


@pytest.mark.parametrize(("study", "arms"), [("question", 40), ("confirmation", 40), ("practice_digits_resnet20", 84)])
def test_committed_runs_begin_today_as_their_rows_say(study, arms):
    rows = first_of_each_arm(study)
    assert len(rows) == arms
    assert compared(rows, [begun(row, None if place < 4 else 1) for place, row in enumerate(rows)]).status == CURRENT


def test_another_seed_begins_otherwise():
    first, *_ = first_of_each_arm("question")
    other = begun(first, 1)
    first.choices = first.choices | {"seed": 12345}
    assert begun(first, 1)["initial_loss"] != pytest.approx(other["initial_loss"], rel=1e-3)
