import json

import pytest

from bench import catalogue
from bench.benchmarks.scale import measure
from bench.benchmarks.scale import table as report
from bench.machine.settings import Study
from bench.plan.plan import plan
from bench.report.terminal import render
from bench.rows import verify
from bench.rows.store import Store
from bench.schema import UserError

STUDY = Study.read(catalogue.load(catalogue.CONF / "settings.yaml")["study"] | catalogue.options("study")["default"])


@pytest.fixture
def runs(compose):
    return plan(compose, STUDY, [measure.seeds_for(compose, STUDY, 100)]).runs


@pytest.mark.parametrize("form", ["loose", "sealed"])
def test_synthetic_rows_are_read_and_verified_like_those_of_training(tmp_path, runs, form):
    store = Store(tmp_path, "default")
    measure.fill(store, runs, form)
    reading = store.read()
    assert reading.remarks == []
    assert list(reading.rows) == sorted(run.id for run in runs) == sorted(store.read_plan())
    assert verify.check("default", reading, [run.id for run in runs], mixed=True) == []


def test_a_store_has_as_many_rows_as_whole_seeds_make(compose, runs):
    arms = len(plan(compose, STUDY, ["seed=0"]).runs)
    assert len(runs) == 100 // arms * arms
    with pytest.raises(UserError, match="not a row for each of"):
        measure.seeds_for(compose, STUDY, arms - 1)


def test_the_commands_are_measured_on_a_store_and_told_in_a_table(compose, tmp_path):
    row = measure.measure(compose, STUDY, 84, "sealed", "scale")
    assert (row.choices["rows"], row.choices["form"]) == (84, "sealed")
    for command in measure.COMMANDS:
        assert 0 < row.measures[f"{command}_processor_seconds"] < 60
        assert row.measures[f"{command}_peak_memory_bytes"] > 2**20
    Store(tmp_path, "scale").write(row)
    table = report.table(Store(tmp_path, "scale").read().rows.values())
    assert table.header == ("rows", "form", *measure.COMMANDS)
    assert (
        table.lines[0][2].text
        == f"{row.measures['plan_seconds']:.1f} s, {row.measures['plan_peak_memory_bytes'] / 1e9:.2f} GB"
    )
    assert json.loads(render(report.sheet([row]), "json"))["table"][0]["rows"] == 84
    with pytest.raises(UserError, match="no format is named 'xml'"):
        render(report.sheet([row]), "xml")
