"""Which form is chosen, given the speeds; that several processes can be measured; what is remembered."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch

from bench.launch import autotune
from bench.launch.autotune import Form, Measured, Memory, Trial, climb, fastest, form_of, trial_of, up_and_down
from bench.machine import environment
from bench.machine.gpus import Lost
from bench.parts import optimizer
from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError
from bench.train.contract import task_of
from bench.train.trainer import Trainer

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "batch_size=16")


@pytest.fixture
def trial(runs_of, machine, tmp_path):
    (run,) = runs_of(*TINY)
    return trial_of(run, machine, Memory(tmp_path / "cache"))


@pytest.fixture
def speeds(monkeypatch):
    """Let packs of each size have these speeds, or raise; the sizes that were measured."""

    def speeds(by_size):
        measured = []

        def speed(self, size, graphed):
            measured.append(size)
            if isinstance(by_size[size], Exception):
                raise by_size[size]
            return by_size[size]

        monkeypatch.setattr(Trial, "speed", speed)
        return measured

    return speeds


@pytest.fixture
def on_gpu(trial, quiet, monkeypatch):
    """The trial as if its machine had a GPU and nothing else to do; nothing is run on it."""
    monkeypatch.setattr(autotune, "device_name", lambda machine: "H100")
    return replace(trial, machine=replace(trial.machine, device="cuda"), cost=replace(trial.cost, try_stacking=list))


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(environment, "has_free_core", lambda: True)


def in_turn(speeds, then=None):
    """Measures each number at these speeds, one after the other, and raises `then` when there are no more."""
    left = {number: list(both) for number, both in speeds.items()}

    def measure(number):
        if not left[number]:
            raise then
        return left[number].pop(0)

    return measure


def test_on_a_cpu_no_pack_is_chosen_that_was_not_asked_for(trial, speeds):
    measured = speeds({1: 100.0, 2: 900.0})
    assert form_of(trial, "auto", "auto", 9, worth=True) == Form(1, False, 100.0)
    assert measured == [1]


def test_the_pack_that_is_clearly_fastest_is_chosen_and_remembered(on_gpu, speeds):
    measured = speeds({1: 100.0, 2: 150.0, 4: 151.0, 8: 140.0})
    assert form_of(on_gpu, "auto", False, 9, worth=True) == Form(2, False, 150.0)
    assert measured == [1, 2, 4, 8, 8, 4, 2, 1]
    again = replace(on_gpu, memory=Memory(on_gpu.memory.path.parent))
    assert form_of(again, "auto", False, 9, worth=True) == Form(2, False, 150.0)
    assert len(measured) == 8
    assert form_of(again, "auto", False, 1, worth=True) == Form(1, False, 100.0)  # there is but one run


def test_of_two_measurements_the_better_counts_and_a_quiet_machine_makes_both_alike(quiet):
    assert up_and_down(in_turn({1: (100, 102), 2: (150, 148)}), (1, 2)) == Measured({1: 102, 2: 150}, quiet=True)
    assert up_and_down(in_turn({1: (40, 100), 2: (150, 148)}), (1, 2)) == Measured({1: 100, 2: 150}, quiet=False)
    assert up_and_down(in_turn({1: (100, 100), 2: (90, 150), 4: (9, 9)}), (1, 2, 4)) == Measured(
        {1: 100, 2: 150}, False
    )


def test_what_fits_in_memory_once_alone_is_not_kept(quiet):
    def measure(number):
        if tried := measured.count(number):
            raise MemoryError(tried)
        measured.append(number)
        return 100.0 * number

    measured = []
    assert up_and_down(measure, (1, 2)) == Measured({1: 100.0, 2: 200.0}, quiet=False)


def test_what_a_busy_machine_has_measured_is_used_once(on_gpu, speeds, monkeypatch, capsys):
    monkeypatch.setattr(environment, "has_free_core", lambda: False)
    speeds({1: 100.0, 2: 150.0, 4: 140.0})
    assert form_of(on_gpu, "auto", False, 9, worth=True) == Form(2, False, 150.0)
    assert "this machine is busy: its speeds are for this sweep alone, and not kept" in capsys.readouterr().err
    assert on_gpu.memory.everything() == {}
    speeds({1: 200.0, 2: 150.0})
    monkeypatch.setattr(environment, "has_free_core", lambda: True)
    assert form_of(on_gpu, "auto", False, 9, worth=True) == Form(1, False, 200.0)
    assert len(on_gpu.memory.everything()) == 1
    assert capsys.readouterr().err == ""


def test_no_larger_pack_is_tried_once_one_is_slower_or_fails(on_gpu, speeds, capsys):
    assert climb({1: 3.0, 2: 2.0, 4: 9.0}.get, (1, 2, 4)) == {1: 3.0, 2: 2.0}
    measured = speeds({1: 100.0, 2: RuntimeError("no batched form")})
    assert form_of(on_gpu, "auto", False, 9, worth=True).packing == 1
    assert measured == [1, 2, 1]
    assert capsys.readouterr().err == "2 side by side fail, 1 do not: no batched form\n"
    assert climb(in_turn({1: [100.0], 2: []}, MemoryError()), (1, 2)) == {1: 100.0}
    assert capsys.readouterr().err == ""
    with pytest.raises(RuntimeError, match="not even one"):
        climb(lambda number: (_ for _ in ()).throw(RuntimeError("not even one")), (1, 2))


def test_the_first_of_those_that_are_as_fast_is_the_fastest():
    assert fastest({1: 100.0, 2: 104.0, 4: 106.0, 8: 107.0}) == 4
    assert fastest({(1, False): 100.0, (1, True): 300.0, (2, True): 310.0}) == (1, True)


def test_a_pack_of_a_size_that_is_asked_for_is_taken_whatever_its_speed(trial, speeds):
    speeds({1: 100.0, 8: 10.0, 3: 11.0})
    assert form_of(trial, 8, "auto", 9, worth=True) == Form(8, False, 10.0)
    assert form_of(trial, 8, "auto", 3, worth=False) == Form(3, False, 11.0)
    assert trial.memory.everything() == {}


@pytest.mark.parametrize("setting", [8, "auto"])
def test_runs_that_cannot_be_stacked_train_one_by_one_and_that_is_said(on_gpu, speeds, capsys, setting):
    def refuse():
        raise RuntimeError("vmap: no such thing\nas this")

    measured = speeds({1: 100.0})
    apart = replace(on_gpu, cost=replace(on_gpu.cost, try_stacking=refuse))
    assert form_of(apart, setting, False, 9, worth=True) == Form(1, False, 100.0)
    assert measured == [1]
    assert capsys.readouterr().err == (
        f"packing={setting}: runs of resnet8 in fp32 on cuda train one by one: vmap: no such thing\n"
    )
    assert form_of(apart, setting, False, 1, worth=True).packing == 1
    assert capsys.readouterr().err == ""  # there is but one run


def test_a_form_that_a_model_cannot_have_is_said_and_one_that_does_not_fit_is_split_later(trial, speeds):
    speeds({1: 100.0, 8: RuntimeError("no kernel\nfor this")})
    with pytest.raises(UserError, match=r"packing=8 graph=false: resnet8 in fp32 on cpu cannot train so \(no kernel\)"):
        form_of(trial, 8, "auto", 9, worth=True)
    speeds({1: 100.0, 8: MemoryError()})
    assert form_of(trial, 8, "auto", 9, worth=True) == Form(8, False, 100.0)


def test_what_does_not_fit_in_memory_is_left_to_be_told_by_its_row(trial, speeds):
    speeds({1: MemoryError()})
    assert form_of(trial, "auto", "auto", 9, worth=False) == Form(1, False, 1.0)


def test_steps_are_captured_on_a_gpu_alone(trial):
    assert autotune.graphs("auto", "cpu", worth=True) == [False]
    assert autotune.graphs("auto", "cuda", worth=True) == [False, True]
    assert autotune.graphs("auto", "cuda", worth=False) == [False]
    assert autotune.graphs(True, "cuda", worth=False) == [True]
    with pytest.raises(UserError, match="graph=true captures steps on a GPU, and device=cpu is none"):
        form_of(trial, "auto", True, 9, worth=True)


@pytest.fixture
def timed(trial, monkeypatch):
    """Let the steps of the trial take these seconds, the last ones again and again; their number, and that of waits."""

    def timed(seconds):
        now, counts, left = [0.0], {"steps": 0, "waits": 0}, list(seconds)

        def step():
            counts["steps"] += 1
            now[0] += left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])
        monkeypatch.setattr(autotune.gpus, "wait", lambda device: counts.update(waits=counts["waits"] + 1))
        return replace(trial, cost=replace(trial.cost, step=lambda size, graphed: step)), counts

    return timed


def test_a_speed_is_that_of_all_runs_side_by_side_without_what_comes_before_the_first_step(timed):
    slow_start, counts = timed([60.0, 1.0])
    assert slow_start.speed(2, graphed=False, seconds=4.0, windows=1) == 2 / 1
    assert counts == {"steps": 1 + 1 + 4, "waits": 3}  # the device is waited for once in a window
    captured, counts = timed([60.0] * 4 + [1.0])
    assert captured.speed(2, graphed=True, seconds=4.0, windows=1) == 2 / 1
    assert counts["steps"] == 4 + 1 + 4


def test_the_best_part_of_a_measurement_counts(timed):
    slow_at_times, _ = timed([5.0, 2.0, 1.0, 9.0, 1.0, 1.0, 2.0, 4.0])
    assert slow_at_times.speed(2, graphed=False, seconds=32.0, windows=8) == 2 * 2 / 2


def test_a_step_that_takes_longer_than_a_measurement_is_taken_twice(timed):
    slow, counts = timed([60.0])
    assert slow.speed(1, graphed=False) == 1 / 60
    assert counts["steps"] == 2


@pytest.mark.parametrize("size", [1, 2])
def test_a_step_that_is_timed_is_one_of_a_training(runs_of, machine, monkeypatch, size):
    (run,) = runs_of(*TINY)
    done = Counter()
    for kind, name in ((Dataset, "augment"), (optimizer.SGD, "step"), (Trainer, "tables")):
        original = getattr(kind, name)
        monkeypatch.setattr(
            kind, name, lambda *words, original=original, name=name: done.update([name]) or original(*words)
        )
    task = task_of(run)
    step = task.cost(run, machine, task.prepare(run, machine)).step(size, False)
    for _ in range(256 // 16 + 1):
        step()
    assert done == {"augment": 17, "step": 17, "tables": 2 * size}


def test_measuring_leaves_the_weights_and_statistics_of_the_model_alone(runs_of, machine):
    (run,) = runs_of(*TINY)
    task = task_of(run)
    prepared = task.prepare(run, machine)
    before = {name: value.clone() for name, value in prepared.model.state_dict().items()}
    for size in (1, 2):
        task.cost(run, machine, prepared).step(size, False)()
    assert all(value.equal(before[name]) for name, value in prepared.model.state_dict().items())


def test_what_is_remembered_depends_on_device_model_and_batch(runs_of, machine, tmp_path):
    keys = set()
    for overrides in ((), ("batch_size=8",), ("model.width=8",), ("model=plain8",), ("precision=bf16",)):
        changed = {one.partition("=")[0] for one in overrides}
        (run,) = runs_of(*(one for one in TINY if one.partition("=")[0] not in changed), *overrides)
        keys.add(trial_of(run, machine, Memory(tmp_path)).key)
    assert len(keys) == 5


def test_a_memory_that_cannot_be_read_or_kept_costs_a_measurement_and_no_more(tmp_path):
    (tmp_path / "speeds.json").write_text("{")
    assert Memory(tmp_path).speeds("key", lambda: Measured({1: 2.0}, quiet=True)) == {1: 2.0}
    assert json.loads((tmp_path / "speeds.json").read_text()) == {"key": {"1": 2.0}}
    (tmp_path / "file").write_text("")
    assert Memory(tmp_path / "file").speeds("key", lambda: Measured({1: 2.0}, quiet=True)) == {1: 2.0}


def test_by_default_it_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Memory(None).path == tmp_path / "initbench" / "speeds.json"


def test_processes_are_added_as_long_as_that_pays(trial, quiet, monkeypatch):
    speeds = {1: 100.0, 2: 190.0, 4: 195.0, 6: 120.0}
    monkeypatch.setattr(autotune, "together", lambda trial, packing, graphed, number: speeds[number])
    assert autotune.processes(trial, 1, False, 6) == 2
    assert list(trial.memory.everything().values()) == [speeds]


def test_memory_is_given_back_before_several_processes_share_the_gpu(trial, monkeypatch):
    calls = []
    monkeypatch.setattr(autotune.allocator, "release_memory", lambda: calls.append("released"))

    def begin(*arguments):
        calls.append("began")
        raise KeyboardInterrupt

    monkeypatch.setattr(autotune, "pool", begin)
    with pytest.raises(KeyboardInterrupt):
        autotune.together(trial, 1, False, 2)
    assert calls == ["released", "began"]


def test_no_other_form_is_tried_once_the_gpu_answers_no_more(on_gpu, monkeypatch):
    def synchronize():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def step(size, graphed):
        raise RuntimeError("an error like any other")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    broken = replace(on_gpu, cost=replace(on_gpu.cost, step=step))
    with pytest.raises(Lost, match="the GPU answers this process no more"):
        form_of(broken, "auto", "auto", 9, worth=True)


@pytest.mark.slow
def test_several_processes_are_measured_side_by_side(trial):
    assert autotune.together(trial, 2, False, 2) > 0
