import platform
import signal
import sys

import pytest
import torch
from omegaconf import OmegaConf

from bench import registry
from bench.rows.store import Store
from bench.runs import stop
from bench.runs.pack import as_override
from bench.runs.perform import failure_class, machine_of, perform
from bench.schema import FAILED, OK, UserError

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16")
MACHINE = {"device": "cpu", "threads": 1, "data": "data", "download": False}
SETTINGS = MACHINE | {"results": "results", "checkpoint": {"every": None}, "timeout": None, "claim_expiry": 10.0}


@pytest.fixture
def perform_all(tmp_path, own_signals):
    def perform_all(runs, **changes):
        text = as_override(runs, "sweep-1").removeprefix("pack='").removesuffix("'")
        settings = SETTINGS | {"results": str(tmp_path), "tracking": {"name": "off"}} | changes
        perform(OmegaConf.create(settings | {"pack": text}))
        return Store(tmp_path, "mine").read().rows

    return perform_all


def test_every_run_of_a_pack_leaves_its_row(runs_of, perform_all):
    runs = runs_of(*TINY, "seed=range(3)")
    rows = perform_all(runs)
    assert set(rows) == {run.id for run in runs}
    assert {row.status for row in rows.values()} == {OK}


def test_a_row_does_not_depend_on_the_pack_it_was_made_in(runs_of, perform_all, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    together = perform_all(runs)
    for row in tmp_path.glob("mine/*.json"):
        row.unlink()
    alone = {}
    for run in reversed(runs):
        alone |= perform_all([run])
    assert {id: row.curve for id, row in together.items()} == {id: row.curve for id, row in alone.items()}


def test_a_run_that_raises_leaves_a_failed_row_and_takes_no_other_along(runs_of, perform_all, monkeypatch, capsys):
    bad, good = runs_of(*TINY, "seed=0,1")
    original = registry.build

    def broken(run, word):
        if word == "model" and run.id == bad.id:
            raise MemoryError("no room\nfor more")
        return original(run, word)

    monkeypatch.setattr(registry, "build", broken)
    rows = perform_all([bad, good])
    assert (rows[bad.id].status, rows[good.id].status) == (FAILED, OK)
    assert rows[bad.id].error["class"] == "out_of_memory"
    assert rows[bad.id].error["cause"] == "no room"
    assert "MemoryError" in rows[bad.id].error["traceback"]
    assert f"run {bad.id} failed: no room" in capsys.readouterr().err


def test_a_secret_that_a_run_says_as_it_fails_is_in_no_row_and_no_log(runs_of, perform_all, monkeypatch, capsys):
    (run,) = runs_of(*TINY, "seed=0")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789secret")
    monkeypatch.setattr(registry, "build", lambda run, word: int("0123456789secret"))
    (row,) = perform_all([run]).values()
    assert row.error["cause"] == "invalid literal for int() with base 10: '***'"
    assert "secret" not in row.error["traceback"] + capsys.readouterr().err


def test_a_failed_row_says_where_it_failed_and_at_which_try(runs_of, perform_all, monkeypatch, tmp_path):
    (run,) = runs_of(*TINY, "seed=0")
    monkeypatch.setattr(registry, "build", lambda run, word: sys.exit("enough"))
    for attempt in (1, 2):
        error = perform_all([run])[run.id].error
        assert (error["class"], error["cause"], error["attempts"]) == ("error", "enough", attempt)
        assert (error["node"], error["device"]) == (platform.node(), "cpu")
        Store(tmp_path, "mine").make_way([run.id])


def test_a_run_that_has_a_final_row_is_not_done_again(runs_of, perform_all, monkeypatch, capsys):
    (run,) = runs_of(*TINY, "seed=0")
    rows = perform_all([run])
    monkeypatch.setattr(registry, "build", lambda run, word: sys.exit("it was done again"))
    assert perform_all([run]) == rows
    assert "it was done again" not in capsys.readouterr().err


def test_a_process_that_was_asked_to_stop_begins_no_run(runs_of, perform_all):
    stop.wish(signal.SIGTERM)
    assert perform_all(runs_of(*TINY, "seed=0,1")) == {}


def test_failures_have_classes():
    assert failure_class(torch.OutOfMemoryError()) == "out_of_memory"
    assert failure_class(MemoryError()) == "out_of_memory"
    assert failure_class(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")) == "out_of_memory"
    assert failure_class(ValueError("out of memory")) == "error"


def test_a_device_that_is_not_here_is_a_mistake(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine_of(SETTINGS | {"device": "auto"}).device == "cpu"
    for device in ("cuda", "tpu"):
        with pytest.raises(UserError, match=f"device={device} is not here; there is cpu, or auto"):
            machine_of(SETTINGS | {"device": device})
