"""Every run of a study, one line each.

In: a Study. Out: a Table. Touches: nothing.
"""

from bench.report.document import Cell, Table
from bench.report.paper.study import Study
from bench.report.tables.results import labels
from bench.report.wording.format import DASH, PERCENT, number
from bench.schema import Row

RUNS = "Every run: its id, the choices that vary within the study, how it ended and what it reached."


def runs(study: Study) -> Table:
    """Id, the choices that vary, status, test accuracy in percent, seconds, and the cause where a run failed."""
    failed = any(row.error for row in study.rows)
    return Table(
        f"runs{study.suffix}",
        RUNS,
        ("run", *study.columns, "initializer", "seed", "status", "test accuracy %", "seconds", *["cause"] * failed),
        tuple(
            (Cell(row.id, None, (row.id,)), *labels(study, name), Cell(arm), *_end(row, failed))
            for name, block in study.blocks.items()
            for arm in sorted(block.arms)
            for row in sorted(block.arms[arm], key=lambda row: (row.choices.get("seed") or 0, row.id))
        ),
        len(study.columns) + 2,
        (*study.columns, "initializer", "status"),
    )


def _end(row: Row, failed: bool) -> list[Cell]:
    seed, accuracy, seconds = row.choices.get("seed"), row.measures.get("test_accuracy"), row.measures.get("seconds")
    return [
        Cell(DASH if seed is None else str(seed), seed),
        Cell(row.status),
        Cell(number(accuracy, 2, PERCENT), accuracy),
        Cell(number(seconds, 1), seconds),
        *[Cell((row.error or {}).get("cause") or DASH)] * failed,
    ]
