"""The task `signal`: a sweep of measurements, whose report lists means."""

import json
import math

import pytest


def test_a_sweep_measures_and_its_report_lists_means(bench):
    words = ("task=signal", "study=mine", "model=plain8", "model.width=4", "normalization=none", "dataset=synthetic")
    more = (
        "initializer=he_normal,constant(value=0)",
        "seed=0,1",
        "tracking=off",
        "hydra/launcher=basic",
        "format=json",
    )
    lines = json.loads(bench("sweep", *words, *more).stdout)["table"]
    found = {one["initializer"].partition("(")[0]: one for one in lines}
    assert found["he_normal"]["problems"] == 0
    assert found["he_normal"]["runs"] == 2
    assert found["constant"]["problems"] > 0
    assert found["constant"]["initial_loss"] == pytest.approx(math.log(4))


def test_a_row_has_the_signal_along_depth_with_theory_and_the_report_draws_it(bench, tmp_path):
    words = ("task=signal", "study=mine", "model=plain8", "model.width=4", "normalization=none", "dataset=synthetic")
    bench("sweep", *words, "initializer=he_normal", "tracking=off", "hydra/launcher=basic")
    (row,) = (json.loads(file.read_text()) for file in (tmp_path / "results/mine").glob("*.json"))
    assert len(row["curve"]) == 8  # layers
    assert all(one["expected_second_moment_low"] < one["expected_second_moment_high"] for one in row["curve"])
    assert row["measures"]["gain"] == pytest.approx(2**0.5, rel=0.1)
    out = bench("report", "study=mine", f"output={tmp_path / 'results/paper'}").stdout
    assert "second moment along depth: he_normal" in out
    page = (tmp_path / "results/paper/paper.html").read_text()
    assert all(f'id="{name}"' in page for name in ("second_moment", "gradient", "correlation", "phase_diagram"))
