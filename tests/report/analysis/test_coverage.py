"""The table of coverage rows: what covers, what is used, and what a report says of it."""

import csv
import io
import json

import numpy as np
import pytest

from bench.catalogue import CONF
from bench.report import summarize_study
from bench.report.analysis import coverage
from bench.report.statistics.simulation import SHAPES
from bench.report.statistics.simulation import coverage as simulate
from bench.report.tables import coverage as tables
from bench.report.tables.export import texts
from bench.report.terminal import render
from bench.rows.store import Store
from bench.schema import OK, Row, Run


def case(method="t", n=5, shape="normal", covered=0.95, level=0.95, values=None) -> Row:
    choices = {"task": "coverage", "method": method, "n": n, "shape": shape, "level": level, "simulations": 1000}
    measures = {"coverage": covered, "coverage_low": covered - 0.01, "coverage_high": covered + 0.01}
    measures |= {"judged": 1000, "mean_width": 1.0, "median_width": 1.0, "values": n if values is None else values}
    return Row(Run("coverage", choices).id, "coverage", OK, choices, measures)


def column(rows, name):
    return list(coverage.frame(rows)[name])


@pytest.mark.parametrize(
    ("covered", "covers"), [(0.9299, False), (0.93, True), (0.95, True), (0.97, True), (0.9701, False), (1.0, False)]
)
def test_coverage_is_as_claimed_within_two_points(covered, covers):
    assert column([case(covered=covered)], "covers") == [covers]


@pytest.mark.parametrize(
    ("method", "n", "values", "used"),
    [
        *[("t", 19, None, True), ("t", 20, None, False), ("bca", 5, None, False)],
        *[("studentized", 20, None, True), ("studentized", 20, 16.0, False), ("t", 20, 16.0, True)],
    ],
)
def test_a_method_is_used_where_the_report_takes_it_for_as_many_values(method, n, values, used):
    assert column([case(method, n, values=values)], "used") == [used]


def test_a_cell_says_whether_the_method_is_used_and_covers():
    rows = [case(), case(n=10, covered=0.9), case("bca", covered=0.8), case("bca", n=10, covered=0.94)]
    header, five, ten = texts(tables.table(rows))
    assert header == ["shape", "n", "t", "bca"]
    assert five == ["normal", "5", "95.0 [94.0, 96.0] used", "80.0 [79.0, 81.0] not used"]
    assert ten == ["normal", "10", "90.0 [89.0, 91.0] used, does not cover", "94.0 [93.0, 95.0] not used"]


def test_shapes_and_methods_come_in_their_order_and_numbers_by_size():
    rows = [case(shape="skewed"), case("bca", 20), case(n=3), case(n=20)]
    assert [line[:2] for line in texts(tables.table(rows))[1:]] == [["normal", "3"], ["normal", "20"], ["skewed", "5"]]


def test_two_levels_are_never_mixed():
    rows = [case(), case(level=0.8, covered=0.8)]
    assert [line[0] for line in texts(tables.table(rows))] == ["level", "80", "95"]
    assert column(rows, "covers") == [True, True]


def test_the_sentences_name_what_is_used_and_does_not_cover():
    rows = [case(), case(shape="heavily_skewed", covered=0.91), case("bca", covered=0.8)]
    told = " ".join(coverage.sentences(rows))
    assert "in 1 of 2 cases" in told
    assert "heavily skewed (91.0 % at n = 5)" in told
    assert "80.0" not in told


def test_a_note_is_about_the_numbers_of_seeds_of_the_study_alone():
    rows = [case(covered=0.95), case(shape="skewed", covered=0.91), case(n=10, shape="skewed", covered=0.9)]
    assert "91.0 % at n = 5" in coverage.note(rows, [5, 7])
    assert "90.0" not in coverage.note(rows, [5, 7])
    assert "90.0 % at n = 10" in coverage.note(rows, [12])
    assert "91.0 % at n = 5" in coverage.note(rows, [3])
    assert coverage.note(rows, [1, 0]) == ""
    assert coverage.note([case()], [5]) == ""
    assert coverage.note([], [5]) == ""


def test_a_report_says_where_its_intervals_do_not_cover(arm):
    study = {"margin": 0.3, "study": {"name": "mine"}}
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.9])
    assert "67.0 % at n = 5" in summarize_study(rows, study, [case(shape="bimodal_naive", covered=0.67)]).notes[0]
    assert summarize_study(rows, study, [case()]).notes == ()
    assert summarize_study(rows, study).notes == ()


def test_every_format_has_the_same_numbers():
    rows = [case(), case(n=10, covered=0.9)]
    rows[1].measures["mean_width"] = None
    lines = list(csv.DictReader(io.StringIO(render(tables.sheet(rows), "csv"))))
    said = json.loads(render(tables.sheet(rows), "json"))
    assert [float(line["coverage"]) for line in lines] == [one["coverage"] for one in said["table"]] == [0.95, 0.9]
    assert [one["mean_width"] for one in said["table"]] == [1.0, None]
    for format in ("text", "markdown"):
        assert "90.0 [89.0, 91.0] used, does not cover" in render(tables.sheet(rows), format)
        assert "1000 simulated arms" in render(tables.sheet(rows), format).replace("\n", " ")


@pytest.fixture(name="committed", scope="module")
def _committed():
    return list(Store(CONF.parent / "results", "coverage").read().rows.values())


def test_what_is_used_covers_values_as_accuracies_are(committed):
    used = coverage.frame(committed).query("used and shape in ['normal', 'skewed', 'bimodal']")
    assert set(used["n"]) == {3, 5, 10, 20}
    assert used["coverage"].between(0.93, 0.97).all()


def test_what_is_used_and_does_not_cover_is_in_the_committed_table(committed):
    failing = coverage.frame(committed).query("used and not covers")
    assert set(failing["shape"]) == {"heavily_skewed", "bimodal_naive"}
    assert sum("used, does not cover" in cell for line in texts(tables.table(committed)) for cell in line) == len(
        failing
    )


def test_a_committed_row_is_simulated_again_to_the_last_digit(committed):
    (row,) = [one for one in committed if {"t", 3, "normal"} <= set(one.choices.values())]
    generator = np.random.default_rng([0, 3, *b"normal"])
    found = simulate("t", 3, SHAPES["normal"], 0.95, row.choices["simulations"], generator)
    assert row.measures["coverage"] == found.covered / found.judged
    assert row.measures["mean_width"] == pytest.approx(found.mean_width)
