"""Simulated studies are what their kind says."""

import numpy as np
import pytest

from bench.benchmarks.error_rates.kinds import (
    EQUAL,
    FAILING_ARM,
    LARGE,
    LOWER,
    SCENARIOS,
    SMALL,
    TWO_MODES,
    Kind,
    kinds,
)
from bench.benchmarks.error_rates.simulate import TEST_IMAGES, drawn, studies
from bench.report.analysis.blocks import blocks
from bench.schema import DIVERGED

MANY = 2000


def draw(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    return drawn(kind, np.random.default_rng(0))


def test_accuracies_have_the_spread_of_the_cell_and_are_whole_images() -> None:
    accuracies, diverged = draw(Kind(EQUAL, 1.2, MANY, size=SMALL))
    assert accuracies.std(axis=2) == pytest.approx(0.012, rel=0.1)
    assert accuracies * TEST_IMAGES == pytest.approx(np.rint(accuracies * TEST_IMAGES))
    assert not diverged.any()


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_the_first_arm_alone_is_lower_and_by_the_shift(shift: float) -> None:
    means = draw(Kind(LOWER, 0.6, MANY, shift=shift))[0].mean(axis=2)
    assert means[:, 1:] - means[:, :1] == pytest.approx(shift / 100, abs=0.001)
    assert np.ptp(means[:, 1:]) < 0.001


def test_of_failing_runs_half_diverge_and_half_stay_at_chance() -> None:
    accuracies, diverged = draw(Kind(EQUAL, 0.6, MANY, failing=0.3))
    assert diverged.mean(axis=2) == pytest.approx(0.15, abs=0.03)
    assert ((accuracies < 0.19) & ~diverged).mean(axis=2) == pytest.approx(0.15, abs=0.03)


def test_where_one_arm_fails_no_other_does() -> None:
    accuracies, diverged = draw(Kind(FAILING_ARM, 0.6, MANY, failing=0.2))
    fails = diverged | (accuracies < 0.19)
    assert fails[:, 0].mean() == pytest.approx(0.2, abs=0.02)
    assert not fails[:, 1:].any()


def test_the_lower_of_two_modes_is_above_the_line() -> None:
    accuracies, _ = draw(Kind(TWO_MODES, 0.6, MANY))
    assert (accuracies < 0.6).mean(axis=2) == pytest.approx(0.3, abs=0.04)
    assert accuracies.min() > 0.4


def test_a_study_has_its_blocks_and_arms_and_each_is_another() -> None:
    seen = []
    for rows in studies(Kind(EQUAL, 0.6, 5, failing=0.3), 3, np.random.default_rng(0)):
        found = blocks(rows)
        assert (len(found), {len(block.arms) for block in found}) == (LARGE[0], {LARGE[1]})
        assert {len(runs) for block in found for runs in block.arms.values()} == {5}
        assert all(not row.measures for row in rows if row.status == DIVERGED)
        seen.append([(row.status, row.measures.get("test_accuracy")) for row in rows])
    assert len({repr(one) for one in seen}) == 3


def test_no_cell_is_simulated_twice_and_every_scenario_is() -> None:
    found = kinds()
    assert len({repr(kind) for kind in found}) == len(found)
    assert {kind.scenario for kind in found} == set(SCENARIOS)
