"""The runs of a study that tunes, as its rows grow."""

from dataclasses import replace

import pytest

from bench.machine.settings import Tune
from bench.plan.plan import plan
from bench.plan.tune import stage
from bench.rows.tuning import SHARED, TUNED
from bench.schema import FAILED, OK, Row, UserError

KEY = "optimizer.learning_rate"
TINY = ("dataset=synthetic", "model=resnet8,resnet14", "initializer=he_normal,glorot_uniform", "seed=range(3)")
GRID = (0.0125, 0.05, 0.2)


@pytest.fixture
def staged(compose, settings):
    """The stage of a study that tunes, with these rows."""

    def staged(rows=(), overrides=TINY, **changes):
        declared = {"key": KEY, "values": [*GRID], "seeds": "range(100,102)", "extend": 2, "shared": None} | changes
        study = replace(settings.study, tune=Tune.read(declared))
        return stage(plan(compose, study, overrides).runs, study, {row.id: row for row in rows})

    return staged


def ended(runs, **best):
    """A row of each run, with a validation accuracy of 0.9 at the best value of its initializer and 0.1 elsewhere."""
    return [
        Row(run.id, run.study, OK, run.choices, {"validation_accuracy": 0.9 if run.choices[KEY] == value else 0.1})
        for run in runs
        for value in [best[run.choices["initializer"]]]
    ]


def values(runs):
    return sorted({(run.choices["initializer"], run.choices[KEY]) for run in runs})


def test_the_first_stage_is_the_grid_of_every_arm_and_the_runs_at_the_shared_value(staged):
    first = staged()
    assert len(first.tuning) == 2 * 2 * 3 * 2
    assert {run.choices["seed"] for run in first.tuning} == {100, 101}
    assert values(first.tuning) == [(name, value) for name in ("glorot_uniform", "he_normal") for value in GRID]
    assert {(one.run.choices[KEY], one.run.choices["seed"], one.choices[KEY]) for one in first.final} == {
        (0.05, seed, SHARED) for seed in range(3)
    }
    assert len(first.later) == len(first.final) == 12


def test_an_edge_extends_the_grid_of_all_arms_and_only_then_the_values_are_used(staged):
    best = {"he_normal": 0.2, "glorot_uniform": 0.05}
    rows = ended(staged().tuning, **best)
    second = staged(rows)
    assert values(second.tuning) == [(name, v) for name in ("glorot_uniform", "he_normal") for v in (*GRID, 0.8)]
    assert {one.choices[KEY] for one in second.final} == {SHARED}
    third = staged(ended(second.tuning, **best))
    tuned = [one.run for one in third.final if one.choices[KEY] == TUNED]
    assert values(tuned) == [("glorot_uniform", 0.05), ("he_normal", 0.2)]
    assert {run.choices["seed"] for run in tuned} == {0, 1, 2}
    assert third.later == []


def test_a_run_has_the_id_that_it_has_in_any_study(staged, runs_of):
    (run,) = [run for run in staged().tuning if run.choices["seed"] == 100 and run.choices[KEY] == 0.2][:1]
    words = [f"{KEY}=0.2", "seed=100", "dataset=synthetic", f"model={run.choices['model']}", "initializer=he_normal"]
    assert runs_of(*words)[0].id == run.id


def test_a_failed_tuning_run_ends_the_choice_for_its_arm_with_a_sentence(staged):
    first = staged(overrides=("model=resnet8", "initializer=he_normal,glorot_uniform"))
    rows = ended(first.tuning, he_normal=0.05, glorot_uniform=0.05)
    rows[0].status, rows[0].error = FAILED, {"class": "error", "cause": "boom"}
    found = staged(rows, overrides=("model=resnet8", "initializer=he_normal,glorot_uniform"))
    tuned = [one.run for one in found.final if one.choices[KEY] == TUNED]
    assert values(tuned) == [("glorot_uniform", 0.05)]
    assert found.remarks == [
        f"he_normal has no tuned value beside resnet8: its tuning run {rows[0].id} failed (boom); "
        "retry=failed does it again"
    ]


@pytest.mark.parametrize(
    ("overrides", "changes", "sentence"),
    [
        (("seed=99,100",), {}, "seed 100 is one of study.tune.seeds and of the study"),
        ((f"{KEY}=0.05,0.2",), {}, f"{KEY} is tuned and has the values 0.05 and 0.2"),
        ((f"{KEY}=0.1",), {}, "the shared optimizer.learning_rate 0.1 among them"),
        ((), {"key": "optimizer.learnin_rate"}, "no number to tune is named 'optimizer.learnin_rate'; did you mean"),
        ((), {"key": "initializer.gain"}, "no number to tune is named 'initializer.gain'"),
        ((), {"key": "epochs"}, "epochs is 10; only a number above 0 that need not be whole can be tuned"),
        ((), {"key": "seed"}, "no number to tune is named 'seed'"),
        (
            (),
            {"key": "optimizer.nesterov"},
            "optimizer.nesterov is False; only a number above 0 that need not be whole",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_sentence(staged, overrides, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        staged(overrides=overrides, **changes)
