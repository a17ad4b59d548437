from collections.abc import Callable

import numpy as np
import pytest

from bench.report.analysis.arms import arm as arm_of
from bench.report.statistics import interval, wilson
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_an_arm_counts_its_runs_by_status_and_means_are_over_the_converged(arm: MakeArm, row: MakeRow) -> None:
    lost = [row("a", 3 + place, status=status) for place, status in enumerate(("diverged", "failed", "preempted"))]
    found = arm_of("a", [*arm("a", [0.9, 0.92, 0.91]), *lost])
    assert (found.runs, found.converged, found.diverged) == (6, 3, 1)
    assert found.lost == {"failed": 1, "preempted": 1}
    assert found.mean == pytest.approx(0.91)
    assert found.test_accuracy == interval([0.9, 0.92, 0.91], np.random.default_rng(0))
    assert found.divergence_rate == wilson(1, 4)
    assert (found.first_epoch_accuracy, found.seconds) == (0.5, 2.0)


def test_what_no_run_has_is_none(row: MakeRow) -> None:
    found = arm_of("a", [row("a", status="failed")])
    assert (found.mean, found.test_accuracy, found.divergence_rate, found.seconds) == (None,) * 4
    assert arm_of("a", [row("a")]).test_accuracy == interval([0.9], np.random.default_rng(0))


def test_a_measure_that_a_converged_run_lacks_has_no_mean(arm: MakeArm) -> None:
    rows = arm("a", [0.9, 0.8])
    del rows[0].measures["seconds"]
    assert arm_of("a", rows).seconds is None


def test_the_interval_of_an_arm_is_the_same_whatever_was_drawn_before(arm: MakeArm) -> None:
    rows = arm("a", [0.9 + seed / 1000 for seed in range(25)])
    assert arm_of("a", rows) == arm_of("a", rows)


def test_an_ok_run_without_an_accuracy_is_refused(row: MakeRow) -> None:
    with pytest.raises(UserError, match="is ok but has no test_accuracy"):
        arm_of("a", [row("a", accuracy=None)])
