"""Speed rows as a table: images per second, ratios to plain training within blocks, shares of the device's peak.

In: the rows of `python -m bench speed`. Out: a Table, sentences, a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.benchmarks import ratios as rates
from bench.benchmarks.ratios import block_rates, ratio, ratios, share, spread, times_as_fast
from bench.report.document import Cell, Sheet, Table, records
from bench.report.tables.page import page
from bench.report.wording.format import counted, three_digits
from bench.schema import Row

REFERENCE, CONTROL = "plain", "plain again"
GIGA, MEGA, MILLISECONDS = 1e9, 1e6, 1e3
BUSY = 0.5  # processes that wanted a core, on average, in the minute before
COLUMNS = ["id", "work", "arm", "ratio", "ratio_low", "ratio_high"]  # of a table without lines
CAPTION = "Speed of training, by work and arm."
FACTS = "Facts of the engine on this device, in the order in which they were measured."
OF_EVERY_FACT = {"task", "kind", "stage", "fact", "unit", "device"}
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

AGAIN = (
    "Where a processor has no units for bf16, all arms compute in fp32. On a CPU packs do not pay, so a sweep there "
    "stacks no runs by itself; `paper/notebook.md` has the measurements, and what changed between those of the speed "
    "studies. `python -m bench speed` measures all this again in about 40 minutes."
)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per work and arm, the cheapest work first; rates per second, ratios to plain."""
    found = sorted(of_kind(rows, "training"), key=lambda row: (row.measures["flops_per_image"], row.choices["work"]))
    return pd.DataFrame([line for row in found for line in lines(row)] or None, columns=None if found else COLUMNS)


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows about trainings, whole sweeps or soaks."""
    return [row for row in rows if row.choices["kind"] == kind]


def lines(row: Row) -> list[dict[str, Any]]:
    """One line per arm of a row."""
    arms = row.environment["arms"]
    seconds = {arm: np.array([block[arm] for block in row.curve], dtype=float) for arm in arms}
    about = {"id": row.id, **{key: row.choices[key] for key in ("work", "batch_size", "device")}}
    return [{**about, **line(arm, seconds, row)} for arm in arms]


def line(arm: str, seconds: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The speed of one arm. `seconds` has one time per block for each arm."""
    about, speed = row.environment["arms"][arm], block_rates("images", float(row.measures["images"] or 0), seconds[arm])
    flops = speed["images_per_second"] * float(row.measures["flops_per_image"] or 0)
    return {
        "arm": arm,
        **{key: about[key] for key in ("processes", "threads", "packing", "precision")},
        **speed,
        **ratios(times_as_fast(seconds[arm], seconds[REFERENCE])),
        "flops_per_second": flops,
        "of_peak": flops / float(row.measures[f"matmul_{about['precision']}"] or 0),
    }


def control(table: pd.DataFrame) -> dict[str, Any]:
    """The error of this method, by plain against itself."""
    return rates.control(table[table["arm"] == CONTROL])


def table(rows: Iterable[Row]) -> Table:
    """One line per work and arm: images per second, times as fast as plain, GFLOP/s, share of the peak in percent."""
    header = ("work", "arm", "processes", "pack", "numbers", "images/s", "times plain", "GFLOP/s", "of peak")
    lines = tuple(tuple(_cells(one)) for one in records(frame(rows)))
    return Table("training_speed", CAPTION, header, lines, axes=("work", "arm"))


def _cells(one: Mapping[str, Any]) -> list[Cell]:
    giga = one["flops_per_second"] / GIGA
    return [
        *(Cell(one["work"]), Cell(one["arm"]), Cell(f"{one['processes']} x {one['threads']}")),
        *(Cell(str(one["packing"]), one["packing"]), Cell(one["precision"])),
        spread(one, "images_per_second"),
        ratio(one),
        Cell(three_digits(giga), giga),
        share(one["of_peak"]),
    ]


def sweeps(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Of each whole sweep: the number of runs and blocks, the median seconds of both sides, and their ratio."""
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


def facts(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The facts of a GPU in the order in which they were found, and whether each is as it has to be."""
    found = sorted(of_kind(rows, "fact"), key=lambda row: float(row.measures["place"] or 0))
    return [
        {
            **{key: row.choices[key] for key in ("stage", "fact", "unit")},
            "about": ", ".join(f"{key}={row.choices[key]}" for key in sorted({*row.choices} - OF_EVERY_FACT)),
            "value": row.measures["value"],
            "right": is_right(row.measures["value"], row.measures["most"]),
            "note": row.environment["note"],
        }
        for row in found
    ]


def is_right(value: float | None, most: float | None) -> bool | None:
    """Whether a number is within its bound; None for one that has none. What is not finite is kept as None."""
    return None if most is None else value is not None and value <= most


def of_facts(rows: Iterable[Row]) -> Table:
    """One line per fact; those that are not as they have to be are marked."""
    header = ("stage", "fact", "with", "value", "unit", "")
    lines = tuple(
        (
            *(Cell(one["stage"]), Cell(one["fact"]), Cell(one["about"])),
            Cell("none" if one["value"] is None else f"{one['value']:,.4g}", one["value"]),
            *(Cell(one["unit"]), Cell("WRONG" if one["right"] is False else one["note"])),
        )
        for one in facts(rows)
    )
    return Table("facts", FACTS, header, lines, labels=3, axes=("stage",))


def sentences(rows: Sequence[Row]) -> list[str]:
    """The machine, how far the numbers can be trusted, and the times of whole sweeps and soaks."""
    return [
        *_places(rows),
        *rates.of_control(control(frame(rows)), REFERENCE),
        *map(_of_sweep, sweeps(rows)),
        *map(_of_soak, soaks(rows)),
    ]


def _places(rows: Iterable[Row]) -> list[str]:
    """The machine, its peak, and its load where it was busy."""
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
    listed = ", ".join(f"{three_digits(float(np.median(each)))} GFLOP/s in {name}" for name, each in peaks.items())
    return [f"Peak of a matrix product: {listed}."] if listed else []


def _busy(rows: Iterable[Row]) -> list[str]:
    loads = [float(row.environment["load"]) for row in rows]
    if max(loads, default=0) <= BUSY:
        return []
    return [
        f"Others computed on the machine in the minute before (load {max(loads):.1f}): measure again when it rests."
    ]


def _of_sweep(one: Mapping[str, Any]) -> str:
    return (
        f"A whole sweep of {counted(one['runs'], 'run')}, from start to table: {one['sweep_seconds']:.1f} s; a plain "
        f"script of the same runs: {one['plain_seconds']:.1f} s; {ratio(one).text} times as fast in {one['blocks']} "
        "blocks."
    )


def _of_soak(one: Mapping[str, Any]) -> str:
    first, last = (one["memory"][place] for place in (0, -1))
    return (
        f"{counted(one['runs'], 'run')} of one step in {one['processes']} processes: "
        f"{one['overhead_seconds'] * MILLISECONDS:.1f} ms per run beyond its training, "
        f"{one['outside_seconds'] * MILLISECONDS:.1f} ms of them outside the run; a process held at most "
        f"{first['peak_memory_bytes'] / MEGA:,.0f} MB after {counted(first['runs'], 'run')}, "
        f"{last['peak_memory_bytes'] / MEGA:,.0f} MB after {last['runs']:,}."
    )


def sheet(rows: Iterable[Row]) -> Sheet:
    """The table, the sentences and how to read them; a line per work and arm for csv."""
    rows = list(rows)
    lines, found = frame(rows), sentences(rows)
    record = {"sentences": found, "control": control(lines), "table": records(lines)}
    record |= {"sweeps": sweeps(rows), "soaks": soaks(rows), "facts": facts(rows)}
    shown = (*([table(rows)] if len(lines) else []), *([of_facts(rows)] if record["facts"] else []))
    made = page("How fast runs train", rows, tuple(found), *shown, NOTES, AGAIN)
    return Sheet((*shown, tuple(found), NOTES), lines, record, made)
