"""The table of coverage rows, in every format."""

import csv
import io
import json

from bench.catalogue import CONF
from bench.report.analysis.coverage import frame
from bench.report.tables import coverage
from bench.report.tables.export import texts
from bench.report.terminal import render
from bench.rows.store import Store


def test_two_levels_are_never_mixed(case):
    rows = [case(), case(level=0.8, covered=0.8)]
    assert [line[0] for line in texts(coverage.table(rows))] == ["level", "80", "95"]


def test_a_cell_says_whether_the_method_is_used_and_covers(case):
    rows = [case(), case(n=10, covered=0.9), case("bca", covered=0.8), case("bca", n=10, covered=0.94)]
    header, five, ten = texts(coverage.table(rows))
    assert header == ["shape", "n", "t", "bca"]
    assert five == ["normal", "5", "95.0 [94.0, 96.0] used", "80.0 [79.0, 81.0] not used"]
    assert ten == ["normal", "10", "90.0 [89.0, 91.0] used, does not cover", "94.0 [93.0, 95.0] not used"]


def test_shapes_and_methods_come_in_their_order_and_numbers_by_size(case):
    rows = [case(shape="skewed"), case("bca", 20), case(n=3), case(n=20)]
    assert [line[:2] for line in texts(coverage.table(rows))[1:]] == [
        ["normal", "3"],
        ["normal", "20"],
        ["skewed", "5"],
    ]


def test_every_format_has_the_same_numbers(case):
    rows = [case(), case(n=10, covered=0.9)]
    rows[1].measures["mean_width"] = None
    lines = list(csv.DictReader(io.StringIO(render(coverage.sheet(rows), "csv"))))
    said = json.loads(render(coverage.sheet(rows), "json"))
    assert [float(line["coverage"]) for line in lines] == [one["coverage"] for one in said["table"]] == [0.95, 0.9]
    assert [one["mean_width"] for one in said["table"]] == [1.0, None]
    for format in ("text", "markdown"):
        assert "90.0 [89.0, 91.0] used, does not cover" in render(coverage.sheet(rows), format)
        assert "1000 simulated arms" in render(coverage.sheet(rows), format).replace("\n", " ")


def test_a_cell_holds_its_coverage_in_percent_in_full_precision(case):
    (line,) = coverage.table([case(covered=0.9123)]).lines
    assert (line[1].value, line[2].text[:4], line[2].value) == (5, "91.2", 91.23)


def test_what_is_used_and_does_not_cover_is_in_the_committed_table():
    committed = list(Store(CONF.parent / "results", "coverage").read().rows.values())
    failing = frame(committed).query("used and not covers")
    assert set(failing["shape"]) == {"heavily_skewed", "bimodal_naive"}
    assert sum("used, does not cover" in cell for line in texts(coverage.table(committed)) for cell in line) == len(
        failing
    )
