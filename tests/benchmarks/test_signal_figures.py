"""The figures of task=signal show what its rows say."""

import math
import re

import pytest

from bench.benchmarks.signal_figures import figures
from bench.schema import OK, Row


def row(arm, seed, growth, measures, activation="relu", normalization="none"):
    choices = {"task": "signal", "model": "plain", "normalization": normalization, "activation": activation}
    choices |= {"dataset": "digits", "initializer": arm, "seed": seed}
    curve = [
        {
            "second_moment": growth**place,
            "expected_second_moment": 1.0,
            "gradient": None,
            "correlation": 0.5 + 0.1 * place,
            "expected_correlation": None,
        }
        for place in range(4)
    ]
    return Row(f"{arm}{seed}{activation}{normalization}", "mine", OK, choices, measures, curve)


KNOWN = {"gain": 1.4, "bias_std": 0.0}


def tips(figure):
    return re.findall("<title>(.*?)</title>", figure.svg)


def test_a_measure_that_no_row_has_makes_no_figure_and_unknown_gains_no_phase_diagram():
    rows = [row("a", 0, 2.0, {}, normalization="batch")]
    assert [one.name for one in figures(rows)] == ["second_moment", "correlation"]
    assert figures([]) == []


def test_the_mean_over_draws_is_geometric_for_the_signal_and_arithmetic_for_the_cosine():
    found = {
        one.name: one for one in figures([row("a", 0, 2.0, KNOWN), row("a", 1, 0.5, KNOWN), row("b", 0, 3.0, KNOWN)])
    }
    assert any(tip.startswith("a, ") and tip.endswith("from 1 to 1") for tip in tips(found["second_moment"]))
    assert any(tip.startswith("b, ") and tip.endswith("from 1 to 27") for tip in tips(found["second_moment"]))
    assert all(tip.endswith("from 0.5 to 0.8") for tip in tips(found["correlation"]))
    assert "a 1" in found["second_moment"].alt


def test_the_phase_diagram_has_the_arms_and_a_panel_per_activation():
    rows = [row("a", 0, 2.0, KNOWN), row("b", 0, 2.0, {"gain": 1.0, "bias_std": 0.1}, activation="tanh")]
    (drawn,) = (one for one in figures(rows) if one.name == "phase_diagram")
    assert sorted(tips(drawn)) == ["a, relu: gain 1.40, biases 0.00", "b, tanh: gain 1.00, biases 0.10"]
    assert "relu: a at gain 1.40; tanh: b at gain 1.00" in drawn.alt


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_a_signal_of_zero_has_no_place_on_a_logarithmic_scale_and_breaks_nothing(value):
    (drawn,) = (one for one in figures([row("a", 0, value, KNOWN)]) if one.name == "second_moment")
    assert tips(drawn)
