"""What the tables of probe_error_rates say of rows whose truth is known."""

import numpy as np
import pytest

from bench.benchmarks.probe_error_rates.table import CHOSEN, KEPT, auroc, frame, mutants, sentences, sheet
from bench.schema import OK, Row


def row(part, measures, **choices):
    chosen = {"task": "probe_error_rates", "part": part, "half": CHOSEN, **choices}
    return Row(str(sorted(chosen.items())), "probe_error_rates", OK, chosen, measures)


def trained(mutant, seed, accuracy, problems):
    return row("mutant", {"validation_accuracy": accuracy, "problems": problems}, model="net", mutant=mutant, seed=seed)


ROWS = [
    *(row("family", {"problems": int(name == "c")}, model=name, seed=0) for name in "abc"),
    row("family", {"problems": 0}, model="d", half=KEPT, seed=0),
    *(trained("", seed, 0.9 + seed / 100, 0) for seed in range(3)),
    *(trained("broken", seed, 0.1, 1) for seed in range(3)),
    *(trained("missed", seed, 0.1, 0) for seed in range(3)),
    *(trained("harmless", seed, 0.9 + seed / 100, 1) for seed in range(3)),
]


def test_a_mutant_fails_if_it_is_less_accurate_in_pairs_of_a_seed():
    found = mutants(frame(ROWS)).set_index("mutant")
    assert found["fails"].to_dict() == {"broken": True, "missed": True, "harmless": False}
    assert found["found"].to_dict() == {"broken": True, "missed": False, "harmless": True}


def test_the_shares_of_each_half_are_said():
    said = [*sentences(frame(ROWS))]
    assert said[0].startswith("False alarms: 1 of 3 (6 to 79 %; thresholds chosen), 0 of 1 (0 to 79 %; kept back)")
    assert said[1].startswith("Found: 1 of 2 (")
    assert said[2].startswith("Right: 1 of 2 (")
    assert [one.name for one in sheet(ROWS).parts[:-2]] == ["mutants"]


@pytest.mark.parametrize(
    ("values", "expected"), [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], 0.0), ([1, 1, 1, 1], 0.5), ([1, 3, 2, 4], 0.75)]
)
def test_the_auroc_is_the_share_of_pairs_in_order(values, expected):
    assert auroc(np.array(values, float), np.array([False, False, True, True])) == expected
