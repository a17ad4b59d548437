"""The table of speed rows: rates, ratios within blocks, shares of the peak, whole sweeps, in every format."""

import csv
import io
import json
import math

import numpy as np
import pytest
from scipy import stats

from bench.benchmarks.speed import table as speed
from bench.report.terminal import render
from bench.schema import OK, Row, Run, UserError

IMAGES, FLOPS = 1000, 5e6
PEAKS = {"matmul_fp32": 100e9, "matmul_bf16": 400e9}
TIMES = {  # seconds per block
    "plain": [1.0, 2.0, 1.2, 1.1],
    "plain again": [1.0, 2.1, 1.2, 1.1],
    "alone": [0.5, 0.9, 0.6, 0.5],
    "together": [0.2, 0.5, 0.3, 0.2],
}
ENVIRONMENT = {"device_name": "abacus", "cores": 2, "torch": "2.0", "load": 0.1}


def made(kind, measures, curve, **choices):
    arms = {arm: {"processes": 1, "threads": 2, "packing": 1, "precision": "fp32"} for arm in TIMES}
    arms["together"] = {"processes": 2, "threads": 1, "packing": 4, "precision": "bf16"}
    choices = {"task": "speed", "kind": kind, "batch_size": 128, "device": "cpu", **choices}
    environment = {**ENVIRONMENT, "arms": arms}
    return Row(Run("speed", choices).id, "speed", OK, choices, measures, curve, environment)


def row(work="resnet8/1x8x8", flops=FLOPS):
    curve = [{"block": block, **{name: each[block] for name, each in TIMES.items()}} for block in range(4)]
    return made("training", {"images": IMAGES, "flops_per_image": flops, **PEAKS}, curve, work=work)


def sweep():
    curve = [{"block": 0, "plain": 300.0, "sweep": 60.0}, {"block": 1, "plain": 330.0, "sweep": 60.0}]
    return made("sweep", {"runs": 48}, curve)


def soak():
    memory = [{"runs": 100, "peak_memory_bytes": 400_000_000}, {"runs": 1000, "peak_memory_bytes": 401_000_000}]
    return made("soak", {"runs": 1000, "processes": 2, "overhead_seconds": 0.0123, "outside_seconds": 0.004}, memory)


def of(table, arm, column):
    (value,) = table[table["arm"] == arm][column]
    return value


def test_rates_are_images_over_seconds():
    table = speed.frame([row()])
    assert of(table, "together", "images_per_second") == pytest.approx(IMAGES / np.median(TIMES["together"]))
    assert of(table, "together", "slowest_block") == IMAGES / 0.5
    assert of(table, "together", "fastest_block") == IMAGES / 0.2


def test_a_ratio_is_the_geometric_mean_within_blocks_with_its_t_interval():
    table = speed.frame([row()])
    logs = np.log(np.array(TIMES["plain"]) / TIMES["together"])
    low, high = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    assert of(table, "together", "ratio") == pytest.approx(math.exp(logs.mean()))
    assert of(table, "together", "ratio_low") == pytest.approx(math.exp(low))
    assert of(table, "together", "ratio_high") == pytest.approx(math.exp(high))
    assert of(table, "plain", "ratio") == 1


def test_shares_are_of_the_peak_in_the_numbers_of_the_arm():
    table = speed.frame([row()])
    assert of(table, "together", "flops_per_second") == pytest.approx(FLOPS * IMAGES / 0.25)
    assert of(table, "together", "of_peak") == pytest.approx(FLOPS * IMAGES / 0.25 / 400e9)
    assert of(table, "alone", "of_peak") == pytest.approx(FLOPS * IMAGES / 0.55 / 100e9)


def test_the_control_is_plain_against_itself():
    said = speed.control(speed.frame([row()]))
    assert (said["cases"], said["false_alarms"]) == (1, 0)
    assert said["largest_deviation"] == pytest.approx((2.1 / 2.0) ** (1 / 4) - 1)


def test_works_come_by_what_an_image_costs():
    table = speed.frame([row("resnet20/3x32x32", 200e6), row(), row("resnet20/1x8x8", 20e6)])
    assert [*dict.fromkeys(table["work"])] == ["resnet8/1x8x8", "resnet20/1x8x8", "resnet20/3x32x32"]


def test_a_line_of_the_table_says_how_an_arm_trains():
    table = speed.table([row()])
    cells = dict(zip(table.header, table.lines[-1], strict=True))
    together = {name: cell.text for name, cell in cells.items()}
    assert (together["arm"], together["processes"], together["pack"]) == ("together", "2 x 1", "4")
    assert together["images/s"] == "4000 [2000, 5000]"
    assert (together["GFLOP/s"], together["of peak"]) == ("20.0", "5 %")
    assert cells["images/s"].value == pytest.approx(IMAGES / np.median(TIMES["together"]))
    assert cells["times plain"].value == of(speed.frame([row()]), "together", "ratio")


def test_a_whole_sweep_is_a_ratio_within_blocks():
    (found,) = speed.sweeps([sweep(), row(), soak()])
    assert found["ratio"] == pytest.approx(math.sqrt(5 * 5.5))
    assert (found["plain_seconds"], found["sweep_seconds"], found["blocks"]) == (315, 60, 2)
    told = " ".join(speed.sentences([sweep()]))
    assert (
        f"of 48 runs, from start to table: 60.0 s; a plain script of the same runs: 315.0 s; {found['ratio']:.2f} ["
        in told
    )


def test_a_soak_says_what_a_run_costs_and_what_a_process_holds():
    told = " ".join(speed.sentences([soak()]))
    assert "1,000 runs of one step in 2 processes: 12.3 ms per run beyond its training, 4.0 ms of them outside" in told
    assert "400 MB after 100 runs, 401 MB after 1,000" in told


def test_every_format_has_the_same_numbers():
    rows = [row(), row("resnet20/1x8x8", 20e6), sweep(), soak()]
    lines = list(csv.DictReader(io.StringIO(render(speed.sheet(rows), "csv"))))
    said = json.loads(render(speed.sheet(rows), "json"))
    assert [float(line["ratio"]) for line in lines] == [one["ratio"] for one in said["table"]]
    assert len(lines) == 2 * len(TIMES)
    assert [one["runs"] for one in (*said["sweeps"], *said["soaks"])] == [48, 1000]
    cell = f"{said['table'][-1]['ratio']:.2f} ["
    for format in ("text", "markdown"):
        shown = " ".join(render(speed.sheet(rows), format).split())
        assert cell in shown
        assert all(sentence in shown for sentence in said["sentences"])
        assert "abacus, 2 cores, torch 2.0. " in shown
        assert "400 GFLOP/s in bf16" in shown
    with pytest.raises(UserError, match="no format is named 'xml'"):
        render(speed.sheet(rows), "xml")


def test_a_machine_that_was_busy_is_told_of():
    busy = sweep()
    busy.environment["load"] = 1.7
    assert "(load 1.7): measure again when it rests." in render(speed.sheet([busy, row()]))
    assert "load" not in render(speed.sheet([row()]))


def test_a_sweep_alone_is_told_without_a_table():
    shown = render(speed.sheet([sweep()]))
    assert "A whole sweep of 48 runs" in shown
    assert "times plain" not in shown
    assert render(speed.sheet([sweep()]), "csv").startswith("id,work,arm")
    assert json.loads(render(speed.sheet([sweep()]), "json"))["table"] == []
