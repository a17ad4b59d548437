import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from bench.report.recount import compare, recount

from bench.report.analysis.summary import summarize
from bench.rows import raw
from bench.rows.record import text_of
from bench.rows.store import Store

QUESTION = Path(__file__).parents[2] / "results"
ROWS = Store(QUESTION, "question").read().rows
SETTINGS = {"margin": 0.3, "study": {}}


def raws(rows) -> list[raw.Raw]:
    return [raw.Raw(f"{row.id}.json", json.loads(text_of(row))) for row in rows]


def test_every_line_of_the_published_table_is_found_again():
    findings: raw.Findings = defaultdict(list)
    recount(raws(ROWS.values()), ROWS, SETTINGS, findings)
    assert not findings


@pytest.mark.parametrize("column", ["test_accuracy_mean", "test_accuracy_low", "test_accuracy_high"])
def test_a_number_of_the_table_that_is_off_by_a_millionth_is_found(column):
    table = summarize(ROWS.values(), 0.3).table
    line = table.index[(table["converged"] == table["runs"]) & table["test_accuracy_high"].between(0.5, 0.999)][0]
    table.loc[line, column] += 1e-6
    findings: raw.Findings = defaultdict(list)
    compare(table, raws(ROWS.values()), findings)
    (told,) = findings["a line of the table does not follow from the rows"]
    assert told.startswith(table.loc[line, "initializer"])


@pytest.mark.parametrize("column", ["runs", "converged", "diverged", "failed", "preempted"])
def test_a_run_counted_once_too_often_is_found(column):
    table = summarize(ROWS.values(), 0.3).table
    table.loc[0, column] += 1
    findings: raw.Findings = defaultdict(list)
    compare(table, raws(ROWS.values()), findings)
    assert findings


def test_rows_that_make_no_table_are_said_and_other_tasks_have_none():
    row = next(row for row in ROWS.values() if row.status == "ok")
    broken = {row.id: replace(row, measures={**row.measures, "test_accuracy": None})}
    findings: raw.Findings = defaultdict(list)
    recount(raws(broken.values()), broken, SETTINGS, findings)
    assert "no table can be made of the rows" in findings
    other = Store(QUESTION, "throughput").read().rows
    findings.clear()
    recount(raws(other.values()), other, SETTINGS, findings)
    assert not findings
