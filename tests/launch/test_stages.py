"""Sweeps whose rows decide what else they ask for: tuned values, and seeds until verdicts are decided."""

from dataclasses import replace
from functools import partial

import pytest

from bench.launch.stages import known, staged, sweep_stages
from bench.machine.settings import Settings, Tune
from bench.plan.plan import plan
from bench.rows.store import Store
from bench.rows.tuning import is_tuning
from bench.schema import OK, Row, UserError
from bench.train.task.train import Train

KEY = "optimizer.learning_rate"
TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16")
ARMS = ("initializer=he_normal,glorot_uniform", "seed=range(2)")


@pytest.fixture
def study(settings):
    """A study of the user's own that tunes on two values and one seed."""
    tune = Tune.read({"key": KEY, "values": [0.05, 0.2], "seeds": [100], "extend": 1, "shared": None})
    return replace(settings.study, tune=tune)


@pytest.fixture
def reaching(monkeypatch):
    """Let runs reach the accuracy that a function of their choices gives, in no time."""

    def reaching(accuracy):
        def perform(self, runs, machine):
            return [
                Row(
                    run.id,
                    run.study,
                    OK,
                    run.choices,
                    dict.fromkeys(MEASURES, accuracy(run.choices)),
                    environment=ENVIRONMENT,
                )
                for run in runs
            ]

        monkeypatch.setattr(Train, "perform", perform)

    return reaching


MEASURES = ("test_accuracy", "validation_accuracy", "first_epoch_accuracy")
ENVIRONMENT = {"test_images": 10_000, "classes": 10}


@pytest.fixture
def go(compose, configuration):
    """Sweep a study in stages with a launcher; its plan at the end."""

    def go(study, *overrides, launcher=None, **changes):
        changed = configuration | changes
        settings = replace(Settings.read(changed), study=study)
        planned = plan(compose, study, [*TINY, *overrides])
        store = Store(changed["results"], study.name)
        return sweep_stages(planned, store, launcher(changed), settings)

    return go


@pytest.fixture
def launcher(forking):
    """Does jobs in this process; the sweep is interrupted after the given number of launches."""

    class Interrupted(forking.__mro__[1]):
        def __init__(self, configuration, last=None):
            super().__init__(configuration)
            self.last = last

        def __call__(self, jobs, processes):
            if len(self.launches) == self.last:
                raise KeyboardInterrupt
            super().__call__(jobs, processes)

    return lambda last=None: partial(Interrupted, last=last)


def by_rate(choices):
    """he_normal is best at the upper edge of the grid, glorot_uniform at the shared value."""
    best = 0.8 if choices["initializer"] == "he_normal" else 0.05
    return 0.9 if choices[KEY] == best else 0.5 if choices[KEY] > 0.05 else 0.4


def test_a_sweep_goes_on_from_the_grid_to_the_runs_at_the_chosen_values(study, go, launcher, reaching, tmp_path):
    reaching(by_rate)
    done = go(study, *ARMS, launcher=launcher())
    rows = Store(tmp_path, "mine").read().rows
    assert set(rows) == {run.id for run in done.runs}
    tuning = [row for row in rows.values() if is_tuning(row.choices, study.tune)]
    assert sorted({row.choices[KEY] for row in tuning}) == [0.0125, 0.05, 0.2, 0.8]
    assert len(tuning) == 8  # for both arms, of which one is best at each edge
    final = {(row.choices["initializer"], row.choices[KEY]) for row in rows.values() if row not in tuning}
    assert final == {("he_normal", 0.05), ("glorot_uniform", 0.05), ("he_normal", 0.8)}
    assert done.later == []


def test_an_arm_that_does_not_fit_its_model_does_not_keep_the_others_from_their_value(study, go, launcher, reaching):
    reaching(by_rate)
    done = go(study, "initializer=he_normal,zero_gamma", "normalization=none", "seed=range(2)", launcher=launcher())
    assert {run.choices["initializer"] for run in done.runs} == {"he_normal"}
    assert {run.choices[KEY] for run in done.runs if run.choices["seed"] == 0} == {0.05, 0.8}
    assert done.later == []


@pytest.mark.parametrize("launches", [0, 1, 2])
def test_an_interrupted_sweep_goes_on_at_its_stage_and_asks_for_the_same_runs(
    study, go, launcher, reaching, tmp_path, launches
):
    reaching(by_rate)
    with pytest.raises(KeyboardInterrupt):
        go(study, *ARMS, launcher=launcher(launches))
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("mine/*.json")}
    done = go(study, *ARMS, launcher=launcher())
    assert {name: (tmp_path / "mine" / name).stat().st_mtime_ns for name in files} == files
    elsewhere = go(study, *ARMS, launcher=launcher(), results=str(tmp_path / "whole"))
    assert (
        {run.id for run in done.runs} == {run.id for run in elsewhere.runs} == set(Store(tmp_path, "mine").read().rows)
    )


def test_the_same_sweep_again_launches_nothing(study, go, launcher, reaching):
    reaching(by_rate)
    go(study, *ARMS, launcher=launcher())
    go(study, *ARMS, launcher=launcher(0))  # or it would be interrupted


def test_a_plan_counts_what_is_known_and_what_later_stages_may_add(study, compose, settings, tmp_path):
    found = known(plan(compose, study, [*TINY, *ARMS]), study, Store(tmp_path, "mine"))
    assert (len(found.runs), len(found.later)) == (4 + 4, 4)


def until(settings, **changes):
    return replace(settings.study, until="decided", looks=[5, 10], question=["he_normal", "glorot_uniform"], **changes)


def apart_with_relu(choices):
    """Ten points apart with relu; with tanh about one, which five seeds do not show."""
    spread = 0.001 * (choices["seed"] % 3)
    if choices["activation"] == "relu":
        return 0.8 + spread + (choices["initializer"] == "he_normal") / 10
    he = choices["initializer"] == "he_normal"
    return 0.5 + 0.008 * (7 * choices["seed"] ** (1 + he) % 5) + 0.012 * he


def test_only_blocks_that_are_open_get_the_seeds_of_the_next_look(settings, go, launcher, reaching, tmp_path):
    reaching(apart_with_relu)
    done = go(until(settings), *ARMS, "activation=relu,tanh", launcher=launcher())
    seeds = {}
    for row in Store(tmp_path, "mine").read().rows.values():
        seeds.setdefault(row.choices["activation"], set()).add(row.choices["seed"])
    assert seeds == {"relu": {*range(5)}, "tanh": {*range(10)}}
    assert done.remarks == ["until=decided: 30 runs in place of 40 with 10 seeds everywhere"]


def test_seeds_until_decided_work_with_tuned_values(settings, study, go, launcher, reaching, tmp_path):
    reaching(lambda choices: by_rate(choices) + 0.001 * (choices["seed"] % 3))
    done = go(until(settings, tune=study.tune), *ARMS, launcher=launcher())
    rows = Store(tmp_path, "mine").read().rows
    assert set(rows) == {run.id for run in done.runs}
    tuned = {row.choices["seed"] for row in rows.values() if row.choices[KEY] == 0.8} - {100}
    assert tuned == {*range(5)}


def test_the_seeds_of_a_tuning_run_are_never_those_of_a_later_look(settings, study, compose):
    tune = replace(study.tune, seeds=(3, 4))
    runs = plan(compose, until(settings, tune=tune), [*TINY, "seed=range(2)"]).runs
    assert {run.choices["seed"] for run in runs} == {0, 1, 2, 5, 6, 7, 8, 9, 10, 11}


def test_until_decided_takes_planned_looks(settings, compose):
    with pytest.raises(UserError, match=r"until=decided adds seeds at planned looks, and study.looks has none"):
        plan(compose, replace(until(settings), looks=[]), [*TINY, *ARMS])


def test_a_study_without_stages_is_planned_without_its_rows(settings, compose):
    planned = plan(compose, settings.study, [*TINY, *ARMS])
    assert staged(planned, settings.study, {}) is planned
