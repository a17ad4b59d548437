"""Speed rows as a table: images per second, ratios to plain training within blocks, shares of the device's peak.

In: the rows of `python -m bench speed`. Out: text. Touches: nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.benchmarks import ratios as rates
from bench.benchmarks.ratios import percent, ratio, ratios, records, spread, three_digits, times_as_fast
from bench.report.grid import Cells
from bench.report.terminal import FORMATS, aligned, piped, wrapped
from bench.schema import Row, UserError

REFERENCE, CONTROL = "plain", "plain again"
GIGA, MEGA, MILLISECONDS = 1e9, 1e6, 1e3
BUSY = 0.5  # processes that want a core, on average, while nothing is measured yet
COLUMNS = ["id", "work", "arm", "ratio", "ratio_low", "ratio_high"]  # of a table without lines
NOTES = (
    "Images per second over all runs, the median over blocks [the slowest and the fastest block]. Times plain: how "
    "many times as fast as plain, the geometric mean over blocks with its 95 % t interval. Plain is what a user of "
    "torch writes by default: PIL images, torchvision's transforms, a DataLoader whose two workers start anew at each "
    "epoch, float32, all cores, one run after the other. Alone is our engine in one process, together as a sweep has "
    "it: processes x threads, and pack: how many runs train side by side in each. In the time are the runs from model "
    "to last step, on our side their rows and evaluations (of ten images) too; not in it are the start of processes, "
    "imports, and reading data. GFLOP/s counts the operations of convolutions and linear layers, forward and backward; "
    "its share is of the fastest matrix product in the same numbers on all cores."
)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per work and arm, the cheapest work first; rates per second, ratios to plain."""
    found = sorted(of_kind(rows, "training"), key=lambda row: (row.measures["flops_per_image"], row.choices["work"]))
    return pd.DataFrame([line for row in found for line in lines(row)] or None, columns=None if found else COLUMNS)


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows about trainings, whole sweeps or soaks."""
    return [row for row in rows if row.choices["kind"] == kind]


def lines(row: Row) -> list[dict[str, Any]]:
    """What a row says of each of its arms."""
    arms = row.environment["arms"]
    seconds = {arm: np.array([block[arm] for block in row.curve], dtype=float) for arm in arms}
    about = {"id": row.id, **{key: row.choices[key] for key in ("work", "batch_size", "device")}}
    return [{**about, **line(arm, seconds, row)} for arm in arms]


def line(arm: str, seconds: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The speed of one arm. `seconds` has one time per block for each arm."""
    own, images = row.environment["arms"][arm], float(row.measures["images"] or 0)
    rate = images / float(np.median(seconds[arm]))
    flops = rate * float(row.measures["flops_per_image"] or 0)
    return {
        "arm": arm,
        **{key: own[key] for key in ("processes", "threads", "packing", "precision")},
        "blocks": len(seconds[arm]),
        "images_per_second": rate,
        "slowest_block": images / float(seconds[arm].max()),
        "fastest_block": images / float(seconds[arm].min()),
        **ratios(times_as_fast(seconds[arm], seconds[REFERENCE])),
        "flops_per_second": flops,
        "of_peak": flops / float(row.measures[f"matmul_{own['precision']}"] or 0),
    }


def control(table: pd.DataFrame) -> dict[str, Any]:
    """What plain against itself says of this method."""
    return rates.control(table[table["arm"] == CONTROL])


def cells(table: pd.DataFrame) -> Cells:
    """One line per work and arm."""
    header = ["work", "arm", "processes", "pack", "numbers", "images/s", "times plain", "GFLOP/s", "of peak"]
    return [header, *(_cells(one) for one in records(table))]


def _cells(one: Mapping[str, Any]) -> list[str]:
    return [
        *(one["work"], one["arm"], f"{one['processes']} x {one['threads']}", str(one["packing"]), one["precision"]),
        spread(one, "images_per_second"),
        ratio(one),
        three_digits(one["flops_per_second"] / GIGA),
        percent(one["of_peak"]),
    ]


def sweeps(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Of each whole sweep: how many runs and blocks, the median seconds of both sides, and their ratio."""
    found = []
    for row in of_kind(rows, "sweep"):
        seconds = {name: np.array([block[name] for block in row.curve], dtype=float) for name in ("plain", "sweep")}
        medians = {f"{name}_seconds": float(np.median(each)) for name, each in seconds.items()}
        about = {"id": row.id, "runs": row.measures["runs"], "blocks": len(row.curve), **medians}
        found.append({**about, **ratios(times_as_fast(seconds["sweep"], seconds["plain"]))})
    return found


def soaks(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Of each soak: its measures, and its peak memory after each tenth of the runs."""
    return [{"id": row.id, **row.measures, "memory": row.curve} for row in of_kind(rows, "soak")]


def sentences(rows: Sequence[Row]) -> list[str]:
    """On what it was measured, how far to trust it, and what whole sweeps and soaks took."""
    table = frame(rows)
    return [
        *places(rows),
        *rates.of_control(control(table), REFERENCE),
        *map(_of_sweep, sweeps(rows)),
        *map(_of_soak, soaks(rows)),
    ]


def places(rows: Iterable[Row]) -> list[str]:
    """On what the rows were measured, and what is the most that it can do."""
    found: dict[str, None] = {}
    for row in rows:
        there = row.environment
        found[f"{there['device_name']}, {there['cores']} cores, torch {there['torch']}."] = None
    return [*found, *_peaks(rows), *_busy(rows)]


def _peaks(rows: Iterable[Row]) -> list[str]:
    peaks: dict[str, list[float]] = {}
    for row in of_kind(rows, "training"):
        for key, value in row.measures.items():
            if key.startswith("matmul_"):
                peaks.setdefault(key.removeprefix("matmul_"), []).append(float(value or 0) / GIGA)
    told = ", ".join(f"{three_digits(float(np.median(each)))} GFLOP/s in {name}" for name, each in peaks.items())
    return [f"Peak of a matrix product: {told}."] if told else []


def _busy(rows: Iterable[Row]) -> list[str]:
    loads = [float(row.environment["load"]) for row in rows]
    if max(loads, default=0) <= BUSY:
        return []
    return [
        f"Others computed on the machine in the minute before (load {max(loads):.1f}): measure again when it rests."
    ]


def _of_sweep(one: Mapping[str, Any]) -> str:
    return (
        f"A whole sweep of {_runs(one)}, from start to table: {one['sweep_seconds']:.1f} s; a plain script of "
        f"the same runs: {one['plain_seconds']:.1f} s; {ratio(one)} times as fast in {one['blocks']} blocks."
    )


def _of_soak(one: Mapping[str, Any]) -> str:
    first, last = (one["memory"][place] for place in (0, -1))
    return (
        f"{_runs(one)} of one step in {one['processes']} processes: "
        f"{one['overhead_seconds'] * MILLISECONDS:.1f} ms per run beyond its training, "
        f"{one['outside_seconds'] * MILLISECONDS:.1f} ms of them outside the run; a process held at most "
        f"{first['peak_memory_bytes'] / MEGA:,.0f} MB after {_runs(first)}, "
        f"{last['peak_memory_bytes'] / MEGA:,.0f} MB after {last['runs']:,}."
    )


def _runs(one: Mapping[str, Any]) -> str:
    return f"{one['runs']:,} run{'s' * (one['runs'] != 1)}"


def render(rows: Iterable[Row], format: str = "text", width: int = 100) -> str:
    """The rows as text, markdown, csv (a line per work and arm, full precision) or json (everything, strict).

    Raises UserError for another format.
    """
    rows = list(rows)
    table = frame(rows)
    if format not in FORMATS:
        raise UserError(f"no format is named {format!r}; there are {', '.join(FORMATS)}")
    if format == "csv":
        return str(table.to_csv(index=False, lineterminator="\n"))
    told = sentences(rows)
    if format == "json":
        document = {"sentences": told, "control": control(table), "table": records(table)}
        document |= {"sweeps": sweeps(rows), "soaks": soaks(rows)}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    shown = (piped if format == "markdown" else aligned)(cells(table)) if len(table) else []
    if format == "markdown":
        return "\n\n".join(filter(None, ["\n".join(shown), "\n".join(f"- {one}" for one in told), NOTES])) + "\n"
    lines = [line for one in told for line in wrapped(one, width)]
    return "\n".join([*shown, "", *lines, "", *wrapped(NOTES, width)]) + "\n"
