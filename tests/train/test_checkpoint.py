"""A run that is cut and taken up again is the run that nobody cut, to the last bit."""

import dataclasses
import math
import os
import pickle
import random
import time

import numpy as np
import pytest
import torch
from torch import nn

from bench import registry
from bench.machine import environment
from bench.machine.settings import interval
from bench.rows.checkpoints import Checkpoints
from bench.rows.store import Store
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Checkpointing, Interval
from bench.train import checkpoint, stop
from bench.train import global_rng as generators
from bench.train.contract import task_of
from bench.train.trainer import Trainer

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "epochs=3", "batch_size=32", "warmup_steps=4")
EPOCH = 256 // 32  # steps
COSTS = {"seconds", "images_per_second", "peak_memory_bytes"}


@pytest.fixture
def keeping(machine, tmp_path):
    """A machine whose runs leave checkpoints when they are asked to stop."""
    return dataclasses.replace(machine, checkpointing=Checkpointing(tmp_path, Interval()))


@pytest.fixture
def begun(monkeypatch):
    """Train a part of a run: to its end, or until so many steps are done in this part."""

    def begun(run, machine, steps=math.inf):
        asked = iter(range(1, 10**9))
        monkeypatch.setattr(stop, "requested", lambda: next(asked) >= steps)
        return task_of(run).perform([run], machine)[0]

    return begun


@pytest.fixture
def in_parts(begun, keeping, tmp_path):
    """Train a run that is cut after each of these counts of steps; its last row."""

    def in_parts(run, *cuts):
        Store(tmp_path, "mine").checkpoints(run.id).remove()
        done = 0
        for cut in cuts:
            row = begun(run, keeping, cut - done)
            assert (row.status, row.measures["steps"]) == (PREEMPTED, cut)
            done = cut
        return begun(run, keeping)

    return in_parts


def results(row):
    """All that a row says of its run but what it cost."""
    return row.status, {key: value for key, value in row.measures.items() if key not in COSTS}, row.curve


def test_a_checkpoint_of_a_pack_holds_one_run(runs_of, keeping, monkeypatch, tmp_path):
    runs = runs_of(*TINY, "seed=range(8)", "optimizer=adam")
    sizes = []
    monkeypatch.setattr(stop, "requested", lambda: True)
    for pack in (runs[:1], runs):
        assert {row.status for row in task_of(runs[0]).perform(pack, keeping)} == {PREEMPTED}
        sizes += [path.stat().st_size for path in files(tmp_path)]
        Store(tmp_path, "mine").checkpoints(runs[0].id).remove()
    assert len(sizes) == 9
    assert max(sizes) < 1.02 * sizes[0]


def test_tensors_that_share_their_values_share_them_in_a_checkpoint():
    weight = torch.ones(1000)
    assert len(checkpoint.saved({"one": weight, "other": weight})) < 1.5 * len(checkpoint.saved({"one": weight}))


def files(tmp_path):
    return sorted((tmp_path / "mine" / "checkpoints").glob("*.pt"), key=lambda path: int(path.name.split(".")[2]))


@pytest.mark.parametrize(
    "cuts",
    [
        (1,),
        (2,),  # while the learning rate warms up
        (EPOCH + 3,),
        (EPOCH,),  # all batches of an epoch are done, its end is not
        (EPOCH + 1,),
        (3 * EPOCH - 1,),
        (3 * EPOCH,),
        (1, 2, EPOCH, EPOCH + 5, 2 * EPOCH + 5),
    ],
)
def test_a_run_cut_anywhere_equals_the_undisturbed_run(runs_of, machine, begun, in_parts, cuts):
    (run,) = runs_of(*TINY, "seed=3")
    row = in_parts(run, *cuts)
    assert row.status == OK
    assert results(row) == results(begun(run, machine))
    assert row.environment["preemptions"] == len(cuts)


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer=sgd", "schedule=one_cycle"),
        ("optimizer=sgd", "optimizer.momentum=0.0", "order_seed=7"),
        ("optimizer=adam", "label_smoothing=0.1"),
        ("optimizer=adamw", "normalization=none", "activation=prelu"),
        ("initializer=fixup", "normalization=none"),
        ("steps=21", "target_loss=1.5"),
        ("batch_size=256", "warmup_steps=2"),
    ],
)
def test_whatever_a_run_is_made_of_it_goes_on_exactly(runs_of, machine, begun, in_parts, overrides):
    changed = {one.partition("=")[0] for one in overrides}
    (run,) = runs_of(*(one for one in TINY if one.partition("=")[0] not in changed), *overrides)
    whole = begun(run, machine)
    assert results(in_parts(run, max(1, whole.measures["steps"] // 2))) == results(whole)


def test_a_run_that_diverges_after_a_cut_diverges_as_it_would_have(runs_of, machine, begun, in_parts):
    (run,) = runs_of(*TINY, "normalization=none", "optimizer.learning_rate=1e9")
    row = in_parts(run, 5)
    assert row.status == DIVERGED
    assert repr(results(row)) == repr(results(begun(run, machine)))  # nan is not equal to itself


class Noisy(nn.Module):
    """Draws from every global generator there is, as dropout does from one."""

    def forward(self, images):
        noise = random.random() + np.random.rand()  # noqa: NPY002
        return nn.functional.dropout(torch.relu(images), 0.1 * noise, self.training)


def noisy():
    return Noisy()


@pytest.fixture
def own_part(monkeypatch):
    """A run with an activation that draws from the global generators."""
    monkeypatch.setitem(registry._functions["activation"], "noisy", noisy)
    return lambda run: dataclasses.replace(run, functions={**run.functions, "activation": "noisy"})


def test_a_part_that_draws_from_the_global_generators_goes_on_exactly(runs_of, machine, begun, in_parts, own_part):
    run = own_part(*runs_of(*TINY))
    whole = begun(run, machine)
    random.seed(1)
    torch.manual_seed(1)
    assert results(begun(run, machine)) == results(whole)
    assert results(in_parts(run, 3, EPOCH + 2)) == results(whole)


@pytest.mark.parametrize("left_out", ["model", "optimizer", "order", "augmentation", "global"])
def test_leaving_anything_out_of_a_checkpoint_would_be_seen(
    runs_of, machine, begun, in_parts, own_part, monkeypatch, left_out
):
    run = own_part(*runs_of(*TINY))
    whole = begun(run, machine)
    original = Trainer.load_state_dict

    def forgetful(self, state):
        own = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "augmentation": self.augmentation.get_state(),
            "global": generators.states(),
        }
        original(self, state | {left_out: own[left_out]})

    assert results(in_parts(run, 2 * EPOCH + 3)) == results(whole)
    monkeypatch.setattr(Trainer, "load_state_dict", forgetful)
    assert results(in_parts(run, 2 * EPOCH + 3)) != results(whole)


def test_what_a_run_cost_adds_up_over_its_parts(runs_of, keeping, begun, monkeypatch):
    (run,) = runs_of(*TINY)
    original = Trainer.update

    def slow(self):
        time.sleep(0.05)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", slow)
        first = begun(run, keeping, 5)
    last = begun(run, keeping)
    assert (first.environment["preemptions"], last.environment["preemptions"]) == (0, 1)
    assert last.measures["seconds"] > first.measures["seconds"] > 5 * 0.05
    assert last.measures["images_per_second"] < last.measures["steps"] * 32 / (5 * 0.05)
    assert last.measures["peak_memory_bytes"] >= first.measures["peak_memory_bytes"]


def test_a_run_that_moved_names_all_its_processors(runs_of, keeping, begun, monkeypatch):
    (run,) = runs_of(*TINY)
    begun(run, keeping, 5)
    monkeypatch.setattr("bench.train.segment.device_name", lambda machine: "another processor")
    assert begun(run, keeping).environment["device_name"].endswith(" + another processor")


def test_a_run_that_is_asked_to_stop_without_a_place_for_checkpoints_starts_anew(runs_of, machine, begun):
    (run,) = runs_of(*TINY)
    row = begun(run, machine, 5)
    assert (row.status, row.measures["train_loss"], row.curve) == (PREEMPTED, None, [])
    assert begun(run, machine).environment["preemptions"] == 0


@pytest.mark.parametrize(("every", "steps"), [("1epoch", [EPOCH, 2 * EPOCH]), ("0.000001s", [13, 14])])
def test_checkpoints_are_left_as_often_as_asked(runs_of, machine, begun, tmp_path, every, steps):
    (run,) = runs_of(*TINY)
    asked = Checkpointing(tmp_path, interval(every))
    until = 2 * EPOCH if "epoch" in every else 14
    begun(run, dataclasses.replace(machine, checkpointing=asked), until)
    assert [int(path.name.split(".")[2]) for path in files(tmp_path)] == steps


def test_a_killed_run_goes_on_from_the_newest_checkpoint(runs_of, machine, begun, tmp_path, monkeypatch):
    (run,) = runs_of(*TINY)
    every = dataclasses.replace(machine, checkpointing=Checkpointing(tmp_path, Interval(epochs=1)))
    original, done = Trainer.update, []

    def dying(self):
        done.append(self.steps)
        if self.steps == 2 * EPOCH + 3 and done.count(self.steps) == 1:
            raise SystemExit("killed")
        original(self)

    whole = begun(run, machine)
    monkeypatch.setattr(Trainer, "update", dying)
    with pytest.raises(SystemExit):
        begun(run, every)
    assert results(begun(run, every)) == results(whole)
    assert done == [*range(2 * EPOCH + 4), *range(2 * EPOCH, 3 * EPOCH)]


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("broken", [damage, cut])
@pytest.mark.parametrize("count", [1, 2])
def test_a_broken_checkpoint_is_said_and_the_one_before_it_used_or_none(
    runs_of, machine, keeping, begun, tmp_path, capsys, broken, count
):
    (run,) = runs_of(*TINY)
    begun(run, keeping, EPOCH)
    begun(run, keeping, 3)
    for path in files(tmp_path)[-count:]:
        broken(path)
    capsys.readouterr()
    row = begun(run, keeping)
    assert results(row) == results(begun(run, machine))
    assert row.environment["preemptions"] == 2 - count
    assert capsys.readouterr().err.count("moved aside, and not gone on from: it is cut or damaged") == count


checkpoint_of = checkpoint.saved


class Code:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_code_in_a_checkpoint_is_not_executed(runs_of, keeping, begun, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (run,) = runs_of(*TINY)
    for content in (lambda state: pickle.dumps(Code()), lambda state: checkpoint_of(Code())):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "saved", content)
            begun(run, keeping, 5)
        assert begun(run, keeping).environment["preemptions"] == 0
        assert "moved aside" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_of_another_model_is_said_and_the_run_begins_with_fresh_weights(
    runs_of, machine, keeping, begun, monkeypatch, capsys
):
    other, run = runs_of(*(one for one in TINY if "width" not in one), "model.width=4,8")
    states = []
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "saved", lambda state: states.append(state) or checkpoint_of(state))
        begun(other, keeping, 5)
        patch.setattr(checkpoint, "saved", lambda state: checkpoint_of(states[0]))
        begun(run, keeping, 5)
    assert results(begun(run, keeping)) == results(begun(run, machine))
    assert "moved aside, and not gone on from: Error(s) in loading state_dict" in capsys.readouterr().err


def test_a_run_is_rounded_one_way_from_its_first_step_to_its_last(
    runs_of, keeping, begun, tmp_path, capsys, monkeypatch
):
    (run,) = runs_of(*TINY)
    begun(run, keeping, 5)
    assert begun(run, dataclasses.replace(keeping, threads=2)).environment["preemptions"] == 0
    assert "is not gone on from: threads was 1, is 2" in capsys.readouterr().err
    about = environment.describe()
    with monkeypatch.context() as patch:
        patch.setattr(environment, "describe", lambda: about | {"git_commit": "another"})
        assert begun(run, keeping).environment["preemptions"] == 0
    assert f"is not gone on from: git_commit was {about['git_commit']}, is another" in capsys.readouterr().err
    assert begun(run, keeping).environment["preemptions"] == 1


def test_out_of_memory_costs_no_checkpoint(runs_of, keeping, begun, tmp_path, monkeypatch):
    (run,) = runs_of(*TINY)
    begun(run, keeping, 5)

    def too_small(self, state):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "load_state_dict", too_small)
        with pytest.raises(MemoryError):
            begun(run, keeping)
    assert begun(run, keeping).environment["preemptions"] == 1


def test_a_disk_that_refuses_a_checkpoint_costs_no_run(runs_of, machine, keeping, begun, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "checkpoints").write_text("a file where a folder should be")
    (run,) = runs_of(*TINY)
    asked = Checkpointing(tmp_path, Interval(epochs=1))
    row = begun(run, dataclasses.replace(keeping, checkpointing=asked))
    assert results(row) == results(begun(run, machine))
    assert capsys.readouterr().err.count("no checkpoint: cannot write") == 3


def test_the_last_row_of_a_run_removes_its_checkpoints_and_a_failed_one_does_not(runs_of, keeping, begun, tmp_path):
    (run,) = runs_of(*TINY)
    store = Store(tmp_path, "mine")
    row = begun(run, keeping, 5)
    store.write(row)
    store.write(dataclasses.replace(row, status=FAILED))
    assert len(files(tmp_path)) == 1
    store.write(begun(run, keeping))
    assert files(tmp_path) == []


def test_a_sweep_clears_away_what_a_kill_between_row_and_removal_left(runs_of, keeping, begun, tmp_path, monkeypatch):
    over, going = runs_of(*TINY, "seed=0,1")
    store = Store(tmp_path, "mine")
    for run in (over, going):
        store.write(begun(run, keeping, 5))
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "remove", lambda self: None)
        store.write(begun(over, keeping))
    assert len(files(tmp_path)) == 2
    store.prepare()
    assert [path.name.partition(".")[0] for path in files(tmp_path)] == [going.id]


def test_the_test_set_is_read_once_whatever_the_parts(runs_of, in_parts, begun, machine):
    (run,) = runs_of(*TINY)
    assert begun(run, machine, 3).measures["test_evaluations"] == 0
    assert in_parts(run, 3, 3 * EPOCH).measures["test_evaluations"] == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_a_cut_run_equals_the_undisturbed_run_where_the_gpu_repeats_itself(
    runs_of, keeping, begun, own_part, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    run = own_part(*runs_of(*TINY))
    on_gpu = dataclasses.replace(keeping, device="cuda")
    whole = begun(run, on_gpu)
    assert results(begun(run, on_gpu)) == results(whole)
    begun(run, on_gpu, EPOCH + 3)
    resumed = begun(run, on_gpu)
    assert resumed.environment["preemptions"] == 1
    assert results(resumed) == results(whole)
