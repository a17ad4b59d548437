"""What the runs cost, and where they were made.

In: a Study. Out: Tables. Touches: nothing.
"""

from collections.abc import Iterable
from typing import Any

from bench.report.document import Cell, Table
from bench.report.paper.study import Study
from bench.report.wording.format import DASH, counted, number
from bench.schema import Row

ENVIRONMENT = "Where the runs were made; several values stand where runs differ, with the number of runs of each."
COST = "The price of each arm: seconds of training and the peak of the process's memory, over its runs."
MACHINE = ("device_name", "device", "cores", "threads", "precision", "platform")
VERSIONS = ("initbench", "python", "torch", "torchvision", "numpy", "hydra-core", "omegaconf")
STATE = ("git_commit", "git_dirty")
MEBIBYTE = 2**20


def environment(study: Study) -> Table:
    """Processor, versions and commit, as the rows say."""
    lines = []
    for key in (*MACHINE, *VERSIONS, *STATE):
        found = _by_value(study.rows, key)
        if set(found) - {DASH}:
            told = ", ".join(
                value if len(found) == 1 else f"{value} ({counted(len(ids), 'run')})"
                for value, ids in sorted(found.items())
            )
            runs = tuple(id for ids in found.values() for id in ids) if len(found) > 1 else ()
            lines.append((Cell(key.replace("_", " ")), Cell(told, None, runs)))
    return Table(f"environment{study.suffix}", ENVIRONMENT, ("of the runs", "value"), tuple(lines), 2)


def cost(study: Study) -> Table:
    """Runs, seconds per run (median, slowest), total minutes, peak memory, of each arm over all its blocks."""
    rows: dict[str, list[Row]] = {arm: [] for arm in study.arms}
    for block in study.blocks.values():
        for arm in study.arms:
            rows[arm] += block.arms.get(arm, [])
    header = ("initializer", "runs", "median seconds", "longest seconds", "all runs, minutes", "peak memory MiB")
    return Table(f"cost{study.suffix}", COST, header, tuple(tuple(_cost(arm, each)) for arm, each in rows.items()))


def _cost(arm: str, rows: list[Row]) -> list[Cell]:
    ids = tuple(row.id for row in rows)
    seconds, memory = measured(rows, "seconds"), measured(rows, "peak_memory_bytes")
    peak = max(memory) / MEBIBYTE if memory else None
    middle, longest = (median(seconds), max(seconds)) if seconds else (None, None)
    total = sum(seconds) / 60 if seconds else None
    return [
        Cell(arm),
        Cell(str(len(rows)), len(rows), ids),
        Cell(number(middle, 2), middle, ids),
        Cell(number(longest, 2), longest, ids),
        Cell(number(total, 1), total, ids),
        Cell(number(peak, 0), peak, ids),
    ]


def measured(rows: Iterable[Row], measure: str) -> list[float]:
    """The values of a measure in the rows that have it."""
    return [float(value) for row in rows if (value := row.measures.get(measure)) is not None]


def median(values: list[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _by_value(rows: Iterable[Row], key: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        value: Any = row.environment.get(key)
        found.setdefault(DASH if value is None else str(value), []).append(row.id)
    return found
