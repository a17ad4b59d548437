"""The cost of the runs, and the machines and versions that made them.

In: a Summary. Out: Tables. Touches: nothing.
"""

from collections.abc import Sequence
from statistics import median

from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.wording.format import DASH, MEBIBYTE, counted, number
from bench.schema import Row

ENVIRONMENT = "Where the runs were made; several values stand where runs differ, with the number of runs of each."
COST = "The price of each arm: seconds of training and the peak of the process's memory, over its runs."
MACHINE = ("device_name", "device", "cores", "threads", "precision", "platform")
VERSIONS = ("initbench", "python", "torch", "torchvision", "numpy", "hydra-core", "omegaconf")
STATE = ("git_commit", "git_dirty")


def environment(summary: Summary) -> Table:
    """Processor, versions and commit of the rows."""
    lines = []
    for key in (*MACHINE, *VERSIONS, *STATE):
        found = _by_value(summary.rows, key)
        if set(found) - {DASH}:
            several = len(found) > 1
            values = [
                f"{value} ({counted(len(ids), 'run')})" if several else value for value, ids in sorted(found.items())
            ]
            runs = tuple(id for ids in found.values() for id in ids) if several else ()
            lines.append((Cell(key.replace("_", " ")), Cell(", ".join(values), None, runs)))
    return Table("environment", ENVIRONMENT, ("of the runs", "value"), tuple(lines), 2)


def cost(summary: Summary) -> Table:
    """Runs, seconds per run (median, slowest), total minutes, peak memory, of each arm over all its blocks."""
    header = ("initializer", "runs", "median seconds", "longest seconds", "all runs, minutes", "peak memory MiB")
    return Table("cost", COST, header, tuple(tuple(_cost(arm, summary.rows_of(arm))) for arm in summary.arms))


def _cost(arm: str, rows: Sequence[Row]) -> list[Cell]:
    ids = tuple(row.id for row in rows)
    seconds, memory = _measured(rows, "seconds"), _measured(rows, "peak_memory_bytes")
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


def _measured(rows: Sequence[Row], measure: str) -> list[float]:
    return [float(value) for row in rows if (value := row.measures.get(measure)) is not None]


def _by_value(rows: Sequence[Row], key: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        value = row.environment.get(key)
        found.setdefault(DASH if value is None else str(value), []).append(row.id)
    return found
