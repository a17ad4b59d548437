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
