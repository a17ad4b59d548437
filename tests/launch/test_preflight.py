from dataclasses import replace

import pytest

from bench.launch import preflight
from bench.launch.autotune import PER_GPU, WORTH_S, Memory, Trial, trial_of
from bench.machine import environment
from bench.plan.shape import shape
from bench.schema import UserError
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


def test_a_model_that_fails_as_it_trains_is_said_before_anything_is_trained(trial, settings):
    def fail(size, graphed):
        raise IndexError("no such layer\nas this")

    one = trial(*TINY)
    failing = replace(one, cost=replace(one.cost, step=fail))
    sentence = r"resnet8/batch/relu/\w+/synthetic seed 0 cannot be trained: IndexError: no such layer \(.*line \d+\)"
    with pytest.raises(UserError, match=sentence):
        preflight.expectation(failing, settings, 3)


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


@pytest.fixture
def processes(trial, settings, monkeypatch):
    """How many processes train for this long, on 16 cores or 2 GPUs, with this memory in GB free, or None: unknown."""
    monkeypatch.setattr(environment, "usable_cores", lambda: 16)
    monkeypatch.setattr(preflight, "gpu_count", lambda: 2)
    monkeypatch.setattr(environment, "peak_memory_bytes", lambda: 5 * 10**8)

    def processes(seconds, free=None, device="cpu", threads=1, setting="auto"):
        monkeypatch.setattr(environment, "free_memory_bytes", lambda: free and int(free * 1e9))
        one = trial(*TINY)
        there = replace(one, machine=replace(one.machine, device=device, threads=threads))
        return preflight.workers(there, preflight.Expected(1.0, 1), replace(settings, processes=setting), seconds)

    return lambda *arguments, **named: processes(*arguments, **named).processes


def test_on_a_cpu_each_core_gets_a_process_however_long_they_train(processes, monkeypatch):
    monkeypatch.setattr(preflight, "processes", lambda *_: pytest.fail("nothing is to be measured"))
    assert processes(WORTH_S / 2) == processes(WORTH_S * 2) == processes(WORTH_S * 2, free=9) == 16
    assert processes(WORTH_S * 2, threads=4) == 4
    assert processes(WORTH_S * 2, threads=32) == 1
    assert processes(WORTH_S * 2, setting=3) == 3


def test_processes_that_would_not_fit_in_memory_are_not_started_and_that_is_said(processes, capsys):
    assert processes(WORTH_S * 2, free=1.6) == 3
    assert capsys.readouterr().err == (
        "processes=auto: 3 instead of 16, since a process takes about 0.5 GB of memory and 1.6 GB are free\n"
    )
    assert processes(WORTH_S * 2, free=-1) == 1
    assert processes(WORTH_S * 2, free=1.6, setting=16) == 16


def test_on_gpus_what_is_long_gets_as_many_processes_as_were_fastest(processes, monkeypatch):
    monkeypatch.setattr(preflight, "processes", lambda trial, packing, graphed, most: most - 1)
    assert processes(WORTH_S / 2, device="cuda") == 2
    assert processes(WORTH_S * 2, device="cuda") == 2 * PER_GPU - 1
