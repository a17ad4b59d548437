"""Which form is chosen, given the speeds; that several processes can be measured; what is remembered."""

import json
from dataclasses import replace

import pytest

from bench.launch import autotune
from bench.launch.autotune import Form, Memory, Trial, climb, fastest, form_of, trial_of
from bench.schema import UserError
from bench.train.contract import task_of

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
def on_gpu(trial, monkeypatch):
    """The trial as if its machine had a GPU; nothing is run on it."""
    monkeypatch.setattr(autotune, "device_name", lambda machine: "H100")
    return replace(trial, machine=replace(trial.machine, device="cuda"))


def test_on_a_cpu_no_pack_is_chosen_that_was_not_asked_for(trial, speeds):
    measured = speeds({1: 100.0, 2: 900.0})
    assert form_of(trial, "auto", "auto", 9, worth=True) == Form(1, False, 100.0)
    assert measured == [1]


def test_the_pack_that_is_clearly_fastest_is_chosen_and_remembered(on_gpu, speeds):
    measured = speeds({1: 100.0, 2: 150.0, 4: 151.0, 8: 140.0})
    assert form_of(on_gpu, "auto", False, 9, worth=True) == Form(2, False, 150.0)
    assert measured == [1, 2, 4, 8]
    again = replace(on_gpu, memory=Memory(on_gpu.memory.path.parent))
    assert form_of(again, "auto", False, 9, worth=True) == Form(2, False, 150.0)
    assert form_of(again, "auto", False, 1, worth=True) == Form(1, False, 100.0)  # there is but one run
    assert measured == [1, 2, 4, 8]


def test_no_larger_pack_is_tried_once_one_is_slower_or_fails(on_gpu, speeds):
    assert climb({1: 3.0, 2: 2.0, 4: 9.0}.get, (1, 2, 4)) == {1: 3.0, 2: 2.0}
    measured = speeds({1: 100.0, 2: RuntimeError("no batched form")})
    assert form_of(on_gpu, "auto", False, 9, worth=True).packing == 1
    assert measured == [1, 2]
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


def test_a_model_that_cannot_be_stacked_is_said_and_one_that_does_not_fit_is_split_later(trial, speeds):
    speeds({1: 100.0, 8: RuntimeError("vmap: no such thing\nas this")})
    with pytest.raises(UserError, match=r"packing=8: resnet8 in fp32 on cpu cannot be stacked \(vmap: no such thing\)"):
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


def test_a_speed_is_that_of_all_runs_side_by_side(trial, monkeypatch):
    seconds = iter(range(100))
    monkeypatch.setattr(autotune.time, "perf_counter", lambda: float(next(seconds)))
    assert trial.speed(2, graphed=False, seconds=3.0) == 2 * 3 / 4  # the clock goes on by a second at each look


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
    assert Memory(tmp_path).speeds("key", lambda: {1: 2.0}) == {1: 2.0}
    assert json.loads((tmp_path / "speeds.json").read_text()) == {"key": {"1": 2.0}}
    (tmp_path / "file").write_text("")
    assert Memory(tmp_path / "file").speeds("key", lambda: {1: 2.0}) == {1: 2.0}


def test_by_default_it_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Memory(None).path == tmp_path / "initbench" / "speeds.json"


def test_processes_are_added_as_long_as_that_pays(trial, monkeypatch):
    speeds = {1: 100.0, 2: 190.0, 4: 195.0, 6: 120.0}
    monkeypatch.setattr(autotune, "together", lambda trial, packing, graphed, number: speeds[number])
    assert autotune.processes(trial, 1, False, 6) == 2
    assert list(trial.memory.everything().values()) == [speeds]


@pytest.mark.slow
def test_several_processes_are_measured_side_by_side(trial):
    assert autotune.together(trial, 2, False, 2) > 0
