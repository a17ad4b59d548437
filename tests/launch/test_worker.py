import platform
import signal
import subprocess
import sys

import pytest
import torch
from omegaconf import OmegaConf

from bench import registry
from bench.launch import shutdown, worker
from bench.machine import allocator
from bench.machine.gpus import Lost
from bench.plan.job import Job
from bench.rows.store import Store
from bench.schema import FAILED, OK
from bench.train import stop

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16")


@pytest.fixture
def work_on(configuration, own_signals, tmp_path):
    """Do a job of these runs in this process; the rows that are there afterwards."""

    def work_on(runs, packing=1, **changes):
        text = Job("sweep-1", runs, packing).as_override().removeprefix("job='").removesuffix("'")
        worker.work(OmegaConf.create(configuration | changes | {"job": text}))
        return Store(tmp_path, "mine").read().rows

    return work_on


def test_every_run_of_a_job_leaves_its_row(runs_of, work_on):
    runs = runs_of(*TINY, "seed=range(3)")
    rows = work_on(runs)
    assert set(rows) == {run.id for run in runs}
    assert {row.status for row in rows.values()} == {OK}


def test_a_row_does_not_depend_on_the_job_it_was_made_in(runs_of, work_on, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    together = work_on(runs)
    for row in tmp_path.glob("mine/*.json"):
        row.unlink()
    alone = {}
    for run in reversed(runs):
        alone |= work_on([run])
    assert {id: row.curve for id, row in together.items()} == {id: row.curve for id, row in alone.items()}


def test_a_run_that_raises_leaves_a_failed_row_and_takes_no_other_along(runs_of, work_on, monkeypatch, capsys):
    bad, good = runs_of(*TINY, "seed=0,1")
    original = registry.build

    def broken(run, word):
        if word == "model" and run.id == bad.id:
            raise MemoryError("no room\nfor more")
        return original(run, word)

    monkeypatch.setattr(registry, "build", broken)
    rows = work_on([bad, good])
    assert (rows[bad.id].status, rows[good.id].status) == (FAILED, OK)
    assert rows[bad.id].error["class"] == "out_of_memory"
    assert rows[bad.id].error["cause"] == "no room"
    assert "MemoryError" in rows[bad.id].error["traceback"]
    assert f"run {bad.id} failed: no room" in capsys.readouterr().err


@pytest.fixture
def room_for(performing):
    """Let at most this many runs fit in memory; the sizes of the packs that were tried."""

    def room_for(most):
        tried = []

        def crowd(runs):
            tried.append(len(runs))
            if len(runs) > most:
                raise MemoryError("no room")

        performing(crowd)
        return tried

    return room_for


def test_a_pack_that_does_not_fit_in_memory_is_halved_and_so_are_those_behind_it(runs_of, work_on, room_for, capsys):
    tried = room_for(2)
    rows = work_on(runs_of(*TINY, "seed=range(12)"), packing=8)
    assert {row.status for row in rows.values()} == {OK}
    assert len(rows) == 12
    assert tried == [8, 4, 2, 2, 2, 2, 2, 2]
    assert {row.environment["packed"] for row in rows.values()} == {2}
    assert "8 runs side by side do not fit in memory; now in halves" in capsys.readouterr().err


# what a command has beside torch itself is enough for packs of two or four, not of eight
WITH_LITTLE_MEMORY = """
import resource, sys, torch
from bench.__main__ import main
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2 * 10**9, -1))
sys.exit(main(["sweep", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_packs_are_halved_where_memory_is_really_limited(tmp_path):
    large = ["model=resnet20", "dataset=synthetic", "dataset.size=32", "batch_size=128", "steps=1", "seed=range(8)"]
    words = ["study=mine", *large, "packing=8", "processes=1", "hydra/launcher=basic", "tracking=off"]
    command = [sys.executable, "-c", WITH_LITTLE_MEMORY, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 runs side by side do not fit in memory; now in halves" in done.stderr
    rows = Store(tmp_path / "results", "mine").read().rows
    assert {row.status for row in rows.values()} == {OK}
    assert max(row.environment["packed"] for row in rows.values()) in (2, 4)


def test_a_run_that_does_not_fit_in_memory_alone_is_a_failure(runs_of, work_on, room_for):
    tried = room_for(0)
    rows = work_on(runs_of(*TINY, "seed=range(3)"), packing=4)
    assert tried == [3, 2, 1, 1, 1]
    assert {(row.status, row.error["class"], row.error["attempts"]) for row in rows.values()} == {
        (FAILED, "out_of_memory", 1)
    }


def test_memory_is_given_back_after_a_run_alone_does_not_fit_as_well(runs_of, work_on, room_for, monkeypatch):
    released = []
    monkeypatch.setattr(allocator, "release_memory", lambda: released.append(sys.exc_info()[1]))
    room_for(0)
    work_on(runs_of(*TINY, "seed=0,1"), packing=2)
    assert released == [None] * 3  # once the error, which holds tensors, is gone


@pytest.fixture
def dead_context(monkeypatch, performing):
    """The second run of a job runs into an assertion on the GPU, after which nothing runs on it; the runs tried."""
    tried, seeds = [], []

    def synchronize():
        if len(seeds) > 1:
            raise RuntimeError("CUDA error: device-side assert triggered\nCompile with")

    def perform(runs):
        tried.append(runs[0].id)
        seeds.extend(run.choices["seed"] for run in runs)
        synchronize()

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    performing(perform)
    monkeypatch.setattr("bench.train.global_rng.torch.cuda.get_rng_state", lambda: None)
    return tried


class Ended(BaseException):
    pass


def test_a_process_whose_gpu_answers_no_more_ends_with_leases_and_without_rows(
    runs_of, work_on, dead_context, monkeypatch, tmp_path, capsys
):
    leases = []

    def end(code):
        leases.extend(Store(tmp_path, "mine").leases(600).read())
        raise Ended

    monkeypatch.setattr(worker.shutdown.os, "_exit", end)
    runs = runs_of(*TINY, "seed=range(3)")
    with pytest.raises(Ended):
        work_on(runs)
    assert dead_context == [run.id for run in runs[:2]]
    assert leases == [runs[1].id]
    assert set(Store(tmp_path, "mine").read().rows) == {runs[0].id}
    assert "the GPU answers this process no more (CUDA error: device-side assert triggered)" in capsys.readouterr().err


def test_a_sweep_that_trains_in_its_own_process_says_that_the_gpu_answers_no_more(
    runs_of, work_on, dead_context, monkeypatch, tmp_path
):
    monkeypatch.setattr(shutdown, "_driven", {"sweep-1"})
    runs = runs_of(*TINY, "seed=range(3)")
    with pytest.raises(Lost, match="the same command goes on from here"):
        work_on(runs)
    assert set(Store(tmp_path, "mine").read().rows) == {runs[0].id}


def test_a_run_that_raises_in_a_pack_is_found_and_the_packs_behind_it_stay_whole(runs_of, work_on, performing):
    runs, sizes = runs_of(*TINY, "seed=range(8)"), []

    def fail(pack):
        sizes.append(len(pack))
        if runs[1] in pack:
            raise ValueError("this one cannot")

    performing(fail)
    rows = work_on(runs, packing=4)
    assert sizes == [4, 2, 1, 1, 2, 4]
    assert {id for id, row in rows.items() if row.status == FAILED} == {runs[1].id}
    assert rows[runs[1].id].error["cause"] == "this one cannot"


def test_a_pack_leaves_out_what_another_process_does_or_has_done(runs_of, work_on, tmp_path):
    runs = runs_of(*TINY, "seed=range(4)")
    work_on(runs[:1])
    with Store(tmp_path, "mine").leases(600).held(runs[1].id):
        rows = work_on(runs, packing=4)
    assert set(rows) == {run.id for run in (runs[0], *runs[2:])}
    assert [rows[run.id].environment["packed"] for run in (runs[0], *runs[2:])] == [1, 2, 2]


def test_a_pack_that_takes_too_long_is_several_timeouts_and_each_run_has_its_own_minutes(runs_of, work_on, monkeypatch):
    given = []
    original = worker.limited
    monkeypatch.setattr(worker, "limited", lambda *words: given.append(words) or original(*words))
    rows = work_on(runs_of(*TINY[:-2], "steps=100000", "batch_size=16", "seed=0,1"), packing=2, timeout=0.01)
    assert {row.error["class"] for row in rows.values()} == {"timeout"}
    assert given == [(pytest.approx(0.6), 2, None)]  # no trace of a hanging process would say which of them it was


def test_a_secret_that_a_run_says_as_it_fails_is_in_no_row_and_no_log(runs_of, work_on, monkeypatch, capsys):
    (run,) = runs_of(*TINY, "seed=0")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789secret")
    monkeypatch.setattr(registry, "build", lambda run, word: int("0123456789secret"))
    (row,) = work_on([run]).values()
    assert row.error["cause"] == "invalid literal for int() with base 10: '***'"
    assert "secret" not in row.error["traceback"] + capsys.readouterr().err


def test_a_failed_row_says_where_it_failed_and_at_which_try(runs_of, work_on, monkeypatch, tmp_path):
    (run,) = runs_of(*TINY, "seed=0")
    monkeypatch.setattr(registry, "build", lambda run, word: sys.exit("enough"))
    for attempt in (1, 2):
        error = work_on([run])[run.id].error
        assert (error["class"], error["cause"], error["attempts"]) == ("error", "enough", attempt)
        assert (error["node"], error["device"]) == (platform.node(), "cpu")
        Store(tmp_path, "mine").make_way([run.id])


def test_a_run_that_has_a_final_row_is_not_done_again(runs_of, work_on, monkeypatch, capsys):
    (run,) = runs_of(*TINY, "seed=0")
    rows = work_on([run])
    monkeypatch.setattr(registry, "build", lambda run, word: sys.exit("it was done again"))
    assert work_on([run]) == rows
    assert "it was done again" not in capsys.readouterr().err


def test_a_process_that_was_asked_to_stop_begins_no_run(runs_of, work_on):
    stop.request(signal.SIGTERM)
    assert work_on(runs_of(*TINY, "seed=0,1")) == {}


def test_no_run_begins_once_its_sweep_is_stopped_even_if_its_lease_is_taken(runs_of, work_on, tmp_path, monkeypatch):
    leases = Store(tmp_path, "mine").leases(60)
    status = Store.status

    def stopping(store, id):
        leases.stop("sweep-1")
        return status(store, id)

    monkeypatch.setattr(Store, "status", stopping)
    monkeypatch.setattr(shutdown, "_watch", lambda leases, sweep: None)  # its thread would stop tests to come
    assert work_on(runs_of(*TINY, "seed=0,1")) == {}
    assert leases.read() == {}
