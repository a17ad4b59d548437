"""One line per arm: how many of its runs converged, what they reached, how often it diverged.

In: the rows of one arm. Out: a line of the summary table. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from bench.report import statistics
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

BOOTSTRAP_SEED = 0  # of intervals alone: no value depends on it


@dataclass(frozen=True)
class Line:
    """An arm in a block. Accuracies and rates are fractions with 95 % intervals; what no run can tell is None.

    Means are over the converged runs; the divergence rate is over converged and diverged ones; a failed or preempted
    run is counted and enters neither.
    """

    initializer: str
    runs: int
    converged: int
    diverged: int
    failed: int
    preempted: int
    test_accuracy_mean: float | None
    test_accuracy_low: float | None
    test_accuracy_high: float | None
    divergence_rate: float | None
    divergence_rate_low: float | None
    divergence_rate_high: float | None
    first_epoch_accuracy_mean: float | None
    seconds_mean: float | None


def line(arm: str, rows: Sequence[Row], resolution: float = 0.0) -> Line:
    """The line of `rows`, all of one arm in one block; `resolution` is one test image as a fraction of the test set."""
    status = Counter(row.status for row in rows)
    converged = [row for row in rows if row.status == OK]
    values = [accuracy(row) for row in converged]
    reached = statistics.interval(values, generator(), resolution=resolution) if converged else None
    ended = status[OK] + status[DIVERGED]
    rate = statistics.wilson(status[DIVERGED], ended) if ended else None
    return Line(
        initializer=arm,
        runs=len(rows),
        converged=status[OK],
        diverged=status[DIVERGED],
        failed=status[FAILED],
        preempted=status[PREEMPTED],
        test_accuracy_mean=reached.value if reached else None,
        test_accuracy_low=_inside(reached.low if reached else None),
        test_accuracy_high=_inside(reached.high if reached else None),
        divergence_rate=rate.value if rate else None,
        divergence_rate_low=rate.low if rate else None,
        divergence_rate_high=rate.high if rate else None,
        first_epoch_accuracy_mean=_mean(converged, "first_epoch_accuracy"),
        seconds_mean=_mean(converged, "seconds"),
    )


def generator() -> Generator:
    """What an interval is drawn with: new each time, so that none depends on which others a report has."""
    return np.random.default_rng(BOOTSTRAP_SEED)


def accuracies(rows: Sequence[Row]) -> dict[Any, float]:
    """The test accuracies of the converged runs of one arm in one block, by seed."""
    return {row.choices.get("seed"): accuracy(row) for row in rows if row.status == OK}


def accuracy(row: Row) -> float:
    """The test accuracy of a converged run, a fraction; UserError where it has none, rather than a mean without it."""
    value = row.measures.get("test_accuracy")
    if value is None:
        task = row.choices.get("task")
        raise UserError(
            f"run {row.id} (task {task}) is ok but has no test_accuracy; a summary compares training runs, task=train"
        )
    return value


def _mean(rows: Sequence[Row], measure: str) -> float | None:
    values = [row.measures.get(measure) for row in rows]
    # a mean over the runs that happen to have the measure would be a mean of another set of runs
    return statistics.mean(values).value if values and None not in values else None  # type: ignore[arg-type]


def _inside(value: float | None) -> float | None:
    return None if value is None else min(1.0, max(0.0, value))  # no accuracy lies beyond: the interval still covers
