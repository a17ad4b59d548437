"""An arm in a block: how many of its runs converged, their mean accuracy, how many diverged.

In: the rows of one arm. Out: an Arm. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from bench.report import statistics
from bench.report.statistics import Estimate
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

BOOTSTRAP_SEED = 0  # of intervals alone: no value depends on it


@dataclass(frozen=True)
class Arm:
    """The runs of an initializer in a block. Accuracies and rates are fractions with 95 % intervals.

    Means are over the converged runs; the divergence rate is over converged and diverged ones; a failed or preempted
    run is counted and enters neither. An estimate is None where no run has a value.
    """

    name: str
    rows: tuple[Row, ...]
    converged: int
    diverged: int
    failed: int
    preempted: int
    test_accuracy: Estimate | None
    divergence_rate: Estimate | None
    first_epoch_accuracy: float | None
    seconds: float | None

    @property
    def runs(self) -> int:
        """The number of runs, whatever their status."""
        return len(self.rows)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the runs."""
        return tuple(row.id for row in self.rows)

    @property
    def mean(self) -> float | None:
        """The mean test accuracy of the converged runs."""
        return self.test_accuracy.value if self.test_accuracy else None

    @property
    def lost(self) -> dict[str, int]:
        """The number of runs that are in no mean and no rate, by status."""
        return {FAILED: self.failed, PREEMPTED: self.preempted}


def arm(name: str, rows: Sequence[Row], resolution: float = 0.0) -> Arm:
    """The arm of `rows`, all of one block; `resolution` is one test image as a fraction of the test set."""
    status = Counter(row.status for row in rows)
    converged = [row for row in rows if row.status == OK]
    values = [accuracy(row) for row in converged]
    ended = status[OK] + status[DIVERGED]
    return Arm(
        name=name,
        rows=tuple(rows),
        converged=status[OK],
        diverged=status[DIVERGED],
        failed=status[FAILED],
        preempted=status[PREEMPTED],
        test_accuracy=_cut(statistics.interval(values, generator(), resolution=resolution)) if values else None,
        divergence_rate=statistics.wilson(status[DIVERGED], ended) if ended else None,
        first_epoch_accuracy=_mean(converged, "first_epoch_accuracy"),
        seconds=_mean(converged, "seconds"),
    )


def generator() -> Generator:
    """A new generator for each interval, so that no interval depends on which others a report has."""
    return np.random.default_rng(BOOTSTRAP_SEED)


def accuracies(rows: Sequence[Row]) -> dict[Any, float]:
    """The test accuracies of the converged runs of one arm in one block, by seed."""
    return {row.choices.get("seed"): accuracy(row) for row in rows if row.status == OK}


def accuracy(row: Row) -> float:
    """The test accuracy of a converged run, a fraction. Raises UserError where the run has none."""
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


def _cut(reached: Estimate) -> Estimate:
    """The interval within 0 to 1: it covers as often, for no accuracy lies outside."""
    if reached.low is None or reached.high is None:
        return reached
    return replace(reached, low=min(1.0, max(0.0, reached.low)), high=min(1.0, max(0.0, reached.high)))
