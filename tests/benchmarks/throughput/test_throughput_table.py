"""The table of throughput rows: rates, ratios within blocks, the control, in every format."""

import csv
import io
import json
import math

import numpy as np
import pytest
from scipy import stats

from bench.benchmarks.throughput import table as throughput
from bench.catalogue import CONF
from bench.report.terminal import render
from bench.rows.store import Store
from bench.schema import OK, Row, Run

ELEMENTS = 1_000_000
TIMES = {  # seconds per block
    "initbench": [0.001, 0.002, 0.0012, 0.0011],
    "torch.nn.init": [0.002, 0.0042, 0.0024, 0.0021],
    "torch.nn.init again": [0.002, 0.0041, 0.0025, 0.0021],
    "generator": [0.002, 0.004, 0.002, 0.002],
    "memory": [0.0001, 0.0001, 0.0001, 0.0001],
}


def row(law="normal", target="1000x1000", elements=ELEMENTS, **times):
    choices = {"task": "throughput", "law": law, "target": target, "device": "cpu", "threads": 2, "blocks": 4}
    times = {**TIMES, **{name.replace("_", "."): each for name, each in times.items()}}
    curve = [{"block": block, **{name: each[block] for name, each in times.items() if each}} for block in range(4)]
    environment = {"device_name": "abacus", "torch": "2.0", "keras": None}
    return Row(Run("throughput", choices).id, "throughput", OK, choices, {"elements": elements}, curve, environment)


def of(table, library, column):
    (value,) = table[table["library"] == library][column]
    return value


def test_rates_are_elements_over_seconds():
    table = throughput.frame([row()])
    assert of(table, "initbench", "elements_per_second") == pytest.approx(ELEMENTS / np.median(TIMES["initbench"]))
    assert of(table, "initbench", "slowest_block") == ELEMENTS / 0.002
    assert of(table, "initbench", "fastest_block") == ELEMENTS / 0.001


def test_a_ratio_is_the_geometric_mean_within_blocks_with_its_t_interval():
    table = throughput.frame([row()])
    logs = np.log(np.array(TIMES["torch.nn.init"]) / TIMES["initbench"])
    low, high = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    assert of(table, "initbench", "ratio") == pytest.approx(math.exp(logs.mean()))
    assert of(table, "initbench", "ratio_low") == pytest.approx(math.exp(low))
    assert of(table, "initbench", "ratio_high") == pytest.approx(math.exp(high))
    assert of(table, "torch.nn.init", "ratio") == 1


def test_shares_are_those_of_the_limits_of_the_same_block():
    table = throughput.frame([row()])
    assert of(table, "initbench", "of_generator") == pytest.approx(np.median([2, 2, 2 / 1.2, 2 / 1.1]))
    assert of(table, "initbench", "of_memory") == pytest.approx(np.median([0.1, 0.05, 1 / 12, 1 / 11]))


def test_the_control_counts_intervals_that_exclude_1():
    quiet = row(law="uniform")
    alarm = row(law="normal")
    for block, noise in zip(alarm.curve, (1.05, 1.051, 1.049, 1.05), strict=True):
        block["torch.nn.init again"] = block["torch.nn.init"] * noise
    said = throughput.control(throughput.frame([quiet, alarm]))
    assert (said["cases"], said["false_alarms"]) == (2, 1)
    assert said["largest_deviation"] == pytest.approx(0.05, abs=1e-3)


def test_the_sentences_name_the_cases_where_ours_is_slower():
    slow = row(law="dirac", initbench=[0.004, 0.008, 0.0048, 0.0041])
    text = " ".join(throughput.sentences([slow, row()]))
    assert "Slower than torch.nn.init: dirac 1000x1000." in text
    assert "no case" in " ".join(throughput.sentences([row()]))


def test_a_library_that_is_not_there_is_a_dash_and_one_that_failed_in_a_block_too():
    rows = [row(), row(law="uniform", timm=[0.002] * 4)]
    table = throughput.table(rows)
    assert [table.header[4], *(line[4].text for line in table.lines)] == ["timm", "-", "500"]
    del rows[1].curve[2]["timm"]
    assert "timm" not in render(throughput.sheet(rows))
    del rows[1].curve[0]["initbench"]
    assert len(throughput.table(rows).lines) == 1


def test_cases_come_by_size():
    rows = [row(target="9x9", elements=81), row(), row(target="2x2", elements=4)]
    assert [line[1].text for line in throughput.table(rows).lines] == ["2x2", "9x9", "1000x1000"]


def test_every_format_has_the_same_numbers():
    rows = [row(), row(law="uniform")]
    lines = list(csv.DictReader(io.StringIO(render(throughput.sheet(rows), "csv"))))
    said = json.loads(render(throughput.sheet(rows), "json"))
    assert [float(line["ratio"]) for line in lines] == [one["ratio"] for one in said["table"]]
    assert len(lines) == 2 * len(TIMES)
    cell = f"{said['table'][0]['ratio']:.2f} ["
    assert cell in render(throughput.sheet(rows), "markdown")
    assert cell in render(throughput.sheet(rows), "text")
    assert "abacus, 2 threads, 4 blocks; torch 2.0." in render(throughput.sheet(rows))


def test_a_cell_holds_its_value_in_full_precision_in_the_unit_of_its_text():
    lines = throughput.frame([row()])
    shown = dict(zip(throughput.table([row()]).header, throughput.table([row()]).lines[0], strict=True))
    assert shown["initbench"].value == of(lines, "initbench", "elements_per_second") / 1e6
    assert shown["ratio"].value == of(lines, "initbench", "ratio")
    assert shown["of memory"].value == 100 * of(lines, "initbench", "of_memory")
    assert shown["of memory"].text == f"{shown['of memory'].value:.0f} %"


def test_the_committed_rows_are_a_line_each_with_a_number_in_every_cell_of_ours():
    rows = list(Store(CONF.parent / "results", "throughput").read().rows.values())
    table = throughput.table(rows)
    assert len(table.lines) == len(rows)
    assert all(line[2].value is not None for line in table.lines)
