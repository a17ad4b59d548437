"""The numbers of a table counted again from the raw rows, by other means: plain Python, no frames, no statistics room.

In: rows as they lie there, and the table that the report makes of them. Out: what does not agree. Touches: nothing.
"""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from bench.report.analysis.study import summarize_study
from bench.rows.raw import Findings, Raw
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

COUNTED = {"converged": OK, "diverged": DIVERGED, "failed": FAILED, "preempted": PREEMPTED}
MANY = 20  # converged runs from which on the report's interval is a bootstrap, which only its own code can repeat
CLOSE = 1e-9


def recount(found: Sequence[Raw], rows: Mapping[str, Row], settings: Mapping[str, Any], findings: Findings) -> None:
    """Compare every line of the report's table: runs by status, the mean test accuracy, its 95 % t interval."""
    if not rows or not all(row.trained for row in found):
        return
    try:
        table = summarize_study(rows.values(), settings).table
    except UserError as refused:
        findings["no table can be made of the rows"].append(str(refused))
        return
    compare(table, found, findings)


def compare(table: pd.DataFrame, found: Iterable[Raw], findings: Findings) -> None:
    """Each line of the table is that of an arm of the rows."""
    arms = [counted(arm) for arm in by_arm(found)]
    for line in table.to_dict("records"):
        if not any(agrees(line, arm) for arm in arms):
            findings["a line of the table does not follow from the rows"].append(
                f"{line['initializer']}: {line['converged']} of {line['runs']}, mean {line['test_accuracy_mean']}"
            )


def by_arm(found: Iterable[Raw]) -> list[list[Raw]]:
    """Rows that differ in nothing but their seed."""
    arms: dict[str, list[Raw]] = defaultdict(list)
    for row in found:
        arms[json.dumps({**row.choices, "seed": None}, sort_keys=True)].append(row)
    return list(arms.values())


def counted(arm: Sequence[Raw]) -> dict[str, float | None]:
    """What the table should say of an arm: counts, the mean as a fraction, and its bounds where they are Student's."""
    status = Counter(row.record["status"] for row in arm)
    reached = [row.record["measures"]["test_accuracy"] for row in arm if row.record["status"] == OK]
    mean = math.fsum(reached) / len(reached) if reached else None
    line: dict[str, float | None] = {"runs": len(arm), "test_accuracy_mean": mean}
    line |= {name: status[one] for name, one in COUNTED.items()}
    if mean is not None and 1 < len(reached) < MANY:
        image = 1 / next(row.environment["test_images"] for row in arm if row.record["status"] == OK)
        spread = max(statistics.stdev(reached), image)  # never below the step of the scale
        reach = float(stats.t.ppf(0.975, len(reached) - 1)) * spread / math.sqrt(len(reached))
        line |= {"test_accuracy_low": max(0.0, mean - reach), "test_accuracy_high": min(1.0, mean + reach)}
    return line


def agrees(line: Mapping[str, Any], arm: Mapping[str, float | None]) -> bool:
    """Whether a line of the table says of the arm what was counted."""
    return all(_same(line[key], value) for key, value in arm.items())


def _same(told: Any, found: float | None) -> bool:
    if found is None:
        return told is None or math.isnan(told)
    return told is not None and math.isclose(told, found, abs_tol=CLOSE)
