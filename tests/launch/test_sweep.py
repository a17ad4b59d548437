import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.launch.sweep import sweep
from bench.plan.plan import Plan
from bench.rows.store import Store
from bench.schema import FAILED, OK, PREEMPTED, UserError
from bench.train.task.train import Train

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16")


def rows(tmp_path):
    return Store(tmp_path, "mine").read().rows


def test_a_sweep_leaves_a_row_for_every_run_and_says_what_it_set_out_to_do(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    assert swept(runs, processes=2) == [2]
    assert set(rows(tmp_path)) == {run.id for run in runs}
    assert Store(tmp_path, "mine").read_plan() == [run.id for run in runs]


def test_the_same_sweep_again_launches_nothing_and_rewrites_nothing(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    swept(runs)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("mine/*.json")}
    assert swept(runs) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("mine/*.json")} == before


def test_adding_a_seed_runs_the_new_runs_alone(runs_of, swept, tmp_path):
    swept(runs_of(*TINY, "seed=0,1"))
    before = {path.name for path in tmp_path.glob("mine/*.json")}
    assert swept(runs_of(*TINY, "seed=0,1,2")) == [1]
    assert len({path.name for path in tmp_path.glob("mine/*.json")} - before) == 1


def test_a_half_written_row_is_named_moved_aside_and_its_run_done_again(runs_of, swept, tmp_path, capsys):
    runs = runs_of(*TINY, "seed=0,1")
    swept(runs)
    victim = tmp_path / "mine" / f"{runs[0].id}.json"
    victim.write_text(victim.read_text()[:100])
    assert swept(runs) == [1]
    assert victim.name in capsys.readouterr().err
    assert set(rows(tmp_path)) == {run.id for run in runs}
    assert victim.with_name(f"{victim.name}.broken").exists()


def test_a_failed_run_is_done_again_only_when_asked_and_its_old_row_is_kept(runs_of, swept, tmp_path, monkeypatch):
    runs = runs_of(*TINY, "seed=range(2)")
    with failing(monkeypatch, KeyError):
        swept(runs)
    assert {(row.status, row.error["attempts"]) for row in rows(tmp_path).values()} == {(FAILED, 1)}
    assert swept(runs) == []
    assert swept(runs, retry="failed") == [1]
    assert {row.status for row in rows(tmp_path).values()} == {OK}
    assert len(list(tmp_path.glob("mine/*.retried"))) == 2
    assert swept(runs, retry="failed") == []  # it has been done


def test_one_class_of_failures_is_retried_alone(runs_of, swept, tmp_path, monkeypatch):
    one, other = runs = runs_of(*TINY, "seed=range(2)")
    with failing(monkeypatch, KeyError):
        swept([one])
    with failing(monkeypatch, MemoryError):
        swept([other])
    assert swept(runs, retry="out_of_memory") == [1]
    assert {row.id: row.status for row in rows(tmp_path).values()} == {one.id: FAILED, other.id: OK}
    assert swept(runs, retry="error") == [1]


@contextmanager
def failing(monkeypatch, kind):
    """Every run raises here as soon as it trains."""

    def perform(self, runs, machine):
        raise kind("the test says so")

    with monkeypatch.context() as broken:
        broken.setattr(Train, "perform", perform)
        yield


def test_a_retry_that_was_killed_goes_on_by_the_same_command(runs_of, swept, tmp_path, monkeypatch):
    runs = runs_of(*TINY, "seed=range(2)")
    with failing(monkeypatch, KeyError):
        swept(runs)
    Store(tmp_path, "mine").make_way(run.id for run in runs)  # where the kill came
    assert swept(runs, retry="failed") == [1]
    assert {row.status for row in rows(tmp_path).values()} == {OK}


def test_to_retry_nothing_is_a_mistake(runs_of, swept):
    runs = runs_of(*TINY, "seed=range(2)")
    swept(runs)
    with pytest.raises(UserError, match="none of these 2 runs has failed so"):
        swept(runs, retry="timeout")


def test_a_preempted_run_is_gone_on_with_and_its_row_replaced(runs_of, swept, tmp_path):
    (run,) = runs_of(*TINY, "seed=0")
    swept([run])
    whole = rows(tmp_path)[run.id]
    Store(tmp_path, "mine").write(replace(whole, status=PREEMPTED))
    assert swept([run]) == [1]
    assert rows(tmp_path)[run.id].status == OK
    assert list(tmp_path.glob("mine/*.retried*")) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("initializer=variance_scaling", "initializer.mode=fan"), "fan_in"),
        (("initializer.scale=-1",), "scale"),
        (("model.depth=9",), "6n"),
        (("dataset=cifar10",), "download=true"),
        (("dataset.subset=abc",), "subset takes a whole number of at least 1 or null, not 'abc'"),
        (("dataset.checksum=wrong",), "wrong"),
        (("batch_size=0",), "batch_size takes a whole number of at least 1, not 0"),
        (("steps=0",), "steps takes a whole number of at least 1 or null, not 0"),
        (("warmup_steps=-1",), "warmup_steps takes a whole number of at least 0, not -1"),
        (("label_smoothing=2.0",), "label_smoothing takes a number from 0 to 1, not 2.0"),
        (("optimizer.learning_rate=-1",), "optimizer.learning_rate takes a number of at least 0, not -1"),
        (("optimizer.learning_rate=1e39",), "optimizer.learning_rate takes a number, not 1e[+]39; .* too large"),
        (("optimizer.weight_decay=-1",), "optimizer.weight_decay takes a number of at least 0, not -1"),
        (("optimizer.momentum=2",), "optimizer.momentum takes a number of at least 0 and below 1, not 2"),
        (("optimizer.nesterov=true", "optimizer.momentum=0"), "optimizer sgd: Nesterov momentum requires a momentum"),
        (("optimizer=adam", "optimizer.betas=[0.9]"), "betas takes a list .* of which there are 2"),
        (("schedule=step", "schedule.drops=[2]"), "schedule.drops takes a list .* from 0 to 1"),
        (("schedule=one_cycle", "schedule.rise=2"), "schedule.rise takes a number from 0 to 1"),
        (("activation=celu", "activation.alpha=0"), "activation.alpha takes a number above 0"),
        (("activation=hardtanh", "activation.low=2"), "hardtanh takes low below high"),
        (("order_seed=0,-1",), "order_seed takes a whole number of at least 0 or null, not -1"),
        (("dataset.split_seed=12345678901234567890123",), "dataset.split_seed takes .* too large"),
        (("dataset.noise=-1",), "dataset.noise takes a number of at least 0, not -1"),
        (("dataset.size=0",), "dataset.size takes a whole number of at least 1, not 0"),
        (("dataset.classes=1",), "dataset.classes takes a whole number of at least 2, not 1"),
        (("dataset=image_folder", "dataset.channels=2"), "dataset.channels takes 1 or 3, not 2"),
        (("dataset=image_folder", "dataset.size=0"), "dataset.size takes a whole number from 1 to 4096 or null, not 0"),
        (("dataset.crop=8",), "dataset.crop=8 shifts images of 8x8 out of sight"),
        (("target_loss=-1",), "target_loss takes a number of at least 0, not -1"),
        (("warmup_steps=1000",), "warmup_steps=1000 is longer than the run, which has"),
        (("batch_size=100000",), "batch_size=100000 is more than the .* images to train on"),
        (("initializer=gradinit", "initializer.learning_rate=-1"), "initializer.learning_rate takes a number of at"),
        (("initializer=constant", "initializer.value=1e39"), "initializer.value takes a number, not 1e[+]39"),
    ],
)
def test_a_mistake_in_a_part_is_found_before_anything_is_trained(runs_of, swept, tmp_path, overrides, sentence):
    changed = {one.partition("=")[0] for one in overrides}
    base = [one for one in TINY if one.partition("=")[0] not in changed]
    with pytest.raises(UserError, match=sentence):
        swept(runs_of(*base, *overrides, "seed=0,1"))
    assert not (tmp_path / "mine").exists()


def test_a_row_of_another_schema_is_never_trained_over(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=0,1")
    swept(runs)
    foreign = tmp_path / "mine" / f"{runs[0].id}.json"
    content = json.dumps({"id": runs[0].id, "schema": 99})
    foreign.write_text(content)
    with pytest.raises(UserError, match="schema 99"):
        swept(runs)
    assert foreign.read_text() == content


def test_a_folder_that_cannot_be_written_is_a_mistake(runs_of, settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="results=DIR"):
        sweep(Plan("mine", runs_of(*TINY), 0), Store(tmp_path / "file", "mine"), list, settings)
