"""Successive halving: which arms go on, from planted rows."""

import pytest

from bench.machine.settings import Screen
from bench.rows.screening import Dropped, screened
from bench.schema import DIVERGED, FAILED, OK, Row, Run

KEY = "optimizer.learning_rate"
SCREEN = Screen.read({"rungs": [1, 3], "seeds": "range(200,210)"})


def row(arm, seed, reached, status=OK, rate=0.05):
    choices = {"task": "train", "initializer": arm, KEY: rate, "seed": seed}
    measures = {"validation_accuracy": reached, "test_accuracy": 1 - reached} if status == OK else {}
    return Row(Run("mine", choices).id, "mine", status, choices, measures, environment={"classes": 10})


def arms(**scores):
    """Rows of each arm by its scores over the seeds 200, 201, ..."""
    return {name: [row(name, 200 + place, one) for place, one in enumerate(mine)] for name, mine in scores.items()}


def screen(rows, values=(None,), key=None, always=()):
    return screened(rows, SCREEN, key, values, always)


def test_the_better_half_goes_on_at_each_rung_and_the_others_say_why_not():
    found = screen(arms(a=[0.9, 0.1, 0.1], b=[0.8, 0.8, 0.8], c=[0.7, 0.7, 0.7], d=[0.6], e=[0.5]))
    assert found.complete
    assert found.kept == ("b", "c")
    assert found.dropped == {
        "d": Dropped(1, 0.6, 0.7),
        "e": Dropped(1, 0.5, 0.7),
        "a": Dropped(3, pytest.approx(1.1 / 3), pytest.approx(0.7)),
    }
    assert found.asked == {**dict.fromkeys("abc", (200, 201, 202)), **dict.fromkeys("de", (200,))}


def test_a_rung_that_lacks_a_run_drops_nothing_yet():
    found = screen(arms(a=[0.9], b=[0.8], c=[0.7], d=[]))
    assert (found.complete, found.kept, found.dropped) == (False, ("a", "b", "c", "d"), {})
    assert found.asked == dict.fromkeys("abcd", (200,))
    found = screen(arms(a=[0.9, 0.9], b=[0.8, 0.8, 0.8], c=[0.7, 0.7, 0.7], d=[0.6], e=[0.5]))
    assert (found.complete, found.kept, sorted(found.dropped)) == (False, ("a", "b", "c"), ["d", "e"])


def test_two_arms_are_always_left_and_need_no_rung():
    found = screen(arms(a=[], b=[]))
    assert (found.complete, found.kept, found.asked) == (True, ("a", "b"), {"a": (), "b": ()})


def test_the_arms_of_the_question_go_on_beside_the_better_half():
    found = screen(arms(a=[0.9] * 3, b=[0.8] * 3, c=[0.7] * 3, d=[0.1] * 3), always=["d", "c"])
    assert found.kept == ("a", "b", "c", "d")


def test_the_test_accuracy_has_no_part_in_it():
    found = screen(arms(a=[0.9] * 3, b=[0.8] * 3, c=[0.1] * 3))
    assert found.kept == ("a", "b")  # of c the test accuracy is the highest


def test_a_diverged_run_counts_as_chance_and_a_failed_one_is_below_all():
    rows = arms(a=[0.9] * 3, b=[0.05] * 3, c=[], d=[0.01])
    rows["c"] = [row("c", 200 + seed, 0.0, DIVERGED) for seed in range(3)]
    assert screen(rows).kept == ("a", "c")
    rows["b"] = [row("b", 200, 0.99, FAILED)]
    assert screen(rows).dropped["b"] == Dropped(1, None, 0.1)


def test_where_a_value_is_tuned_an_arm_is_screened_at_its_best_one():
    rows = arms(a=[0.6] * 3, b=[0.5] * 3, c=[0.4] * 3)
    for name, reached in {"a": 0.1, "b": 0.1, "c": 0.9}.items():
        rows[name] += [row(name, 200 + seed, reached, rate=0.2) for seed in range(3)]
    assert screen(rows, (0.05, 0.2), KEY).kept == ("a", "c")
