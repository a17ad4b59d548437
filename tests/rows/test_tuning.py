"""What tuning rows choose: planted rows, and the values that follow from them."""

import json
import math

import pytest

from bench.machine.settings import Tune
from bench.rows.tuning import SHARED, TUNED, arm_of, choice, choices, grid, labelled
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, Run, UserError

KEY = "optimizer.learning_rate"
LOW, HIGH = ({"initializer": name} for name in ("low", "high"))


def tune(**changes):
    declared = {"key": KEY, "values": [0.0125, 0.05, 0.2], "seeds": [100, 101], "extend": 2, "shared": 0.05}
    return Tune.read(declared | changes)


def row(arm, value, seed, validation, status=OK, test=0.5, **more):
    chosen = {"task": "train", "model": "resnet8", **arm, KEY: value, "seed": seed, **more}
    measures = {"validation_accuracy": validation, "test_accuracy": test} if status == OK else {}
    error = {"class": "error", "cause": "boom"} if status == FAILED else None
    return Row(Run("mine", chosen).id, "mine", status, chosen, measures, environment={"classes": 10}, error=error)


def scored(arm, **by_value):
    """Two tuning rows at each value: scored(LOW, v0_05=0.9)."""
    scores = {float(name[1:].replace("_", ".")): score for name, score in by_value.items()}
    return [row(arm, value, seed, score) for value, score in scores.items() for seed in (100, 101)]


def chosen(rows, arms=(LOW, HIGH), **changes):
    mine = {arm_of(arm): [one for one in rows if arm_of(one.choices) == arm_of(arm)] for arm in arms}
    found = choice(mine, tune(**changes), 0.05)
    return found, {json.loads(arm)["initializer"]: value for arm, value in found.values.items()}


INSIDE = {"v0_0125": 0.4, "v0_05": 0.9, "v0_2": 0.5}


def test_each_arm_takes_the_value_of_its_highest_validation_accuracy():
    rows = [*scored(LOW, v0_0125=0.4, v0_05=0.6, v0_2=0.5), *scored(HIGH, v0_0125=0.7, v0_05=0.2, v0_2=0.6)]
    found, values = chosen(rows, extend=0)
    assert (found.complete, found.grid, values) == (True, (0.0125, 0.05, 0.2), {"low": 0.05, "high": 0.0125})
    assert found.edges == (arm_of(HIGH),)


def test_the_test_accuracy_has_no_part_in_the_choice():
    rows = [
        row(LOW, value, seed, 0.5 + (value == 0.05) / 10, test=value)
        for value in (0.0125, 0.05, 0.2)
        for seed in (100, 101)
    ]
    assert chosen(rows, [LOW])[1] == {"low": 0.05}


def test_a_diverged_run_counts_as_chance():
    rows = scored(LOW, v0_0125=0.55, v0_05=0.5)
    rows += [row(LOW, 0.2, 100, 0.98), row(LOW, 0.2, 101, None, DIVERGED)]
    found, values = chosen(rows, [LOW], extend=0)
    assert found.scores[arm_of(LOW)][0.2] == pytest.approx((0.98 + 0.1) / 2)
    assert values == {"low": 0.0125}


def test_ties_go_to_the_value_nearest_to_the_shared_one_then_to_the_smaller():
    assert chosen(scored(LOW, v0_0125=0.5, v0_05=0.5, v0_2=0.5), [LOW])[1] == {"low": 0.05}
    assert chosen(scored(LOW, v0_0125=0.5, v0_05=0.4, v0_2=0.5), [LOW], extend=0)[1] == {"low": 0.0125}


def test_equal_counts_of_images_are_a_tie_in_whatever_order_of_the_seeds():
    counts = {0.0125: (174, 178, 176), 0.05: (175, 177, 176)}  # 528 of 3 x 180 each, whose sums round apart
    rows = [
        row(LOW, value, seed, right / 180)
        for value, found in counts.items()
        for seed, right in zip((100, 101, 102), found, strict=True)
    ]
    assert len({math.fsum(right / 180 for right in found) / 3 for found in counts.values()}) == 2
    assert chosen(rows, [LOW], values=[*counts], seeds=[100, 101, 102], extend=0)[1] == {"low": 0.05}


def test_a_best_value_at_an_edge_of_one_arm_extends_the_grid_of_all():
    rows = [*scored(LOW, **INSIDE), *scored(HIGH, v0_0125=0.1, v0_05=0.4, v0_2=0.5)]
    found, values = chosen(rows)
    assert (found.complete, found.grid, values) == (False, (0.0125, 0.05, 0.2, 0.8), {})
    rows += [*scored(LOW, v0_8=0.1), *scored(HIGH, v0_8=0.3)]
    found, values = chosen(rows)
    assert (found.complete, found.grid, values) == (True, (0.0125, 0.05, 0.2, 0.8), {"low": 0.05, "high": 0.2})
    assert found.edges == ()


def test_the_grid_grows_by_so_many_steps_at_each_edge_and_no_more():
    rows = [*scored(LOW, v0_0125=0.9, v0_05=0.1, v0_2=0.1), *scored(HIGH, v0_0125=0.1, v0_05=0.1, v0_2=0.9)]
    assert chosen(rows)[0].grid == (0.003125, 0.0125, 0.05, 0.2, 0.8)
    rows += [*scored(LOW, v0_003125=0.95, v0_8=0.1), *scored(HIGH, v0_003125=0.1, v0_8=0.95)]
    assert chosen(rows)[0].grid == (0.00078125, 0.003125, 0.0125, 0.05, 0.2, 0.8, 3.2)
    rows += [*scored(LOW, v0_00078125=0.99, v3_2=0.1), *scored(HIGH, v0_00078125=0.1, v3_2=0.2)]
    found, values = chosen(rows)
    assert (found.complete, values, found.edges) == (True, {"low": 0.00078125, "high": 0.8}, (arm_of(LOW),))


def test_a_failed_run_leaves_its_arm_without_a_value_and_the_others_with_theirs():
    rows = [*scored(LOW, **INSIDE), *scored(HIGH, v0_0125=0.4, v0_05=0.9)]
    rows += [row(HIGH, 0.2, 100, 0.5), row(HIGH, 0.2, 101, None, FAILED)]
    found, values = chosen(rows)
    assert (found.complete, values, found.failed[arm_of(HIGH)].id) == (True, {"low": 0.05}, rows[-1].id)


@pytest.mark.parametrize("last", [[], [row(LOW, 0.2, 101, None, PREEMPTED)]])
def test_nothing_is_chosen_before_every_tuning_run_has_ended(last):
    found, values = chosen([*scored(LOW, v0_0125=0.4, v0_05=0.9), row(LOW, 0.2, 100, 0.1), *last], [LOW])
    assert (found.complete, values) == (False, {})


def test_a_run_without_a_validation_accuracy_cannot_be_chosen_by():
    rows = scored(LOW, **INSIDE)
    del rows[0].measures["validation_accuracy"]
    with pytest.raises(UserError, match=f"{rows[0].id} has no validation accuracy.*task=train"):
        chosen(rows, [LOW])


def test_an_automatic_grid_is_built_around_the_shared_value():
    assert grid(tune(values="auto"), 0.001) == (6.25e-05, 0.00025, 0.001, 0.004, 0.016)


@pytest.mark.parametrize("values", [[0.05], [0.01, 0.1]])
def test_a_grid_has_two_values_and_the_shared_one_among_them(values):
    with pytest.raises(UserError, match=r"study.tune.values takes two values or more, and the shared .* 0.05 among"):
        grid(tune(values=values), 0.05)


def test_a_final_row_is_shared_or_tuned_or_both():
    rows = [*scored(LOW, **INSIDE), *scored(HIGH, v0_0125=0.9, v0_05=0.4, v0_2=0.2)]
    final = [row(LOW, 0.05, 0, 0.8), row(HIGH, 0.05, 0, 0.7), row(HIGH, 0.0125, 0, 0.9), row(HIGH, 0.2, 0, 0.1)]
    found = labelled([*rows, *final], tune(extend=0))
    assert [(one.choices["initializer"], one.choices[KEY]) for one in found] == [
        ("low", SHARED),
        ("low", TUNED),
        ("high", SHARED),
        ("high", TUNED),
    ]


def test_blocks_choose_apart():
    rows = [
        row(LOW, value, seed, score, model=model)
        for model, best in (("a", 0.0125), ("b", 0.2))
        for value in (0.0125, 0.05, 0.2)
        for seed in (100, 101)
        for score in [0.9 if value == best else 0.1]
    ]
    found = choices(rows, tune(extend=0))
    assert sorted(value for one in found.values() for value in one.values.values()) == [0.0125, 0.2]
