from dataclasses import replace

import pytest

from bench.launch import preflight
from bench.launch.autotune import WORTH_S, Memory, Trial, trial_of
from bench.plan.shape import shape
from bench.train.task.train import Train

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16")


@pytest.fixture
def trial(runs_of, machine, tmp_path):
    """The trial of the one run that these overrides name."""

    def trial(*overrides):
        (run,) = runs_of(*overrides)
        return trial_of(run, machine, Memory(tmp_path))

    return trial


def test_weights_are_drawn_once_however_many_seeds_and_learning_rates_there_are(
    runs_of, machine, settings, monkeypatch
):
    drawn = []
    prepare = Train.prepare
    monkeypatch.setattr(Train, "prepare", lambda self, run, machine: drawn.append(run) or prepare(self, run, machine))
    rates = "optimizer.learning_rate=0.1,0.2,0.3"
    preflight.preflight(runs_of(*TINY, "seed=range(4)", rates, "initializer=he_normal,orthogonal"), machine, settings)
    assert [run.choices["initializer"] for run in drawn] == ["he_normal", "orthogonal"]


def test_every_run_has_an_expected_time_by_its_shape(runs_of, machine, settings):
    runs = runs_of(*TINY, "seed=0,1", "activation=relu,tanh")
    expected, workers, _ = preflight.preflight(runs, machine, settings)
    assert {shape(run) for run in runs} == set(expected)
    assert all(one.seconds > 0 for one in expected.values())
    assert workers.processes == settings.processes


@pytest.mark.parametrize(("flags", "said"), [({"avx2"}, True), ({"avx2", "avx512_bf16"}, False)])
def test_bf16_on_a_processor_without_units_for_it_is_remarked_on(
    runs_of, machine, settings, monkeypatch, capsys, flags, said
):
    monkeypatch.setattr("bench.machine.environment.processor_flags", lambda: flags)
    preflight.preflight(runs_of(*TINY, "precision=fp32"), machine, settings)
    assert capsys.readouterr().err == ""
    preflight.preflight(runs_of(*TINY, "precision=bf16"), machine, settings)
    assert ("no units for it" in capsys.readouterr().err) == said


def test_a_longer_training_is_expected_to_take_longer(trial):
    short, long = (
        preflight.run_seconds(trial(*TINY[:3], TINY[4], steps), 100.0) for steps in ("steps=2", "steps=2000")
    )
    assert long > 10 * short


def test_what_is_short_is_not_measured_in_many_forms(runs_of, machine, settings, monkeypatch):
    sizes = []
    original = Trial.speed
    monkeypatch.setattr(Trial, "speed", lambda self, size, graphed: sizes.append(size) or original(self, size, graphed))
    runs = runs_of(*TINY, "seed=range(4)")
    expected, *_ = preflight.preflight(runs, machine, replace(settings, packing="auto"))
    assert [one.packing for one in expected.values()] == [1]
    assert sizes == [1]


def test_as_many_processes_as_cores_train_what_is_short_and_as_many_as_were_fastest_what_is_long(
    trial, settings, monkeypatch
):
    monkeypatch.setattr(preflight.environment, "usable_cores", lambda: 16)
    monkeypatch.setattr(preflight, "processes", lambda trial, packing, graphed, most: most // 4)
    auto = replace(settings, processes="auto")
    expected = preflight.Expected(1.0, 1)
    assert preflight.workers(trial(*TINY), expected, auto, WORTH_S / 2).processes == 16
    assert preflight.workers(trial(*TINY), expected, auto, WORTH_S * 2).processes == 4
    assert preflight.workers(trial(*TINY), expected, replace(settings, processes=3), WORTH_S * 2).processes == 3
