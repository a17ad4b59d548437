"""Launches whose processes really die: each pack in a forked process."""

import itertools
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from bench.launch import scheduler
from bench.launch import timeout as limit
from bench.plan.job import Expected, Workers
from bench.rows import tracking
from bench.rows.store import Store
from bench.schema import FAILED, OK, PREEMPTED, Row, UserError
from bench.train.task.train import Train

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def rows(tmp_path):
    return lambda: Store(tmp_path, "mine").read().rows


@pytest.fixture
def during(performing):
    """Let something happen in the process that trains, before it does."""
    return lambda happening: performing(lambda runs: happening(runs[0]))


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_launch_that_dies_before_any_run_began_is_made_again(runs_of, swept, rows):
    runs = runs_of(*TINY, "seed=range(3)")
    assert swept(runs, deaths=(1, 2)) == [1, 1, 1]
    assert {row.status for row in rows().values()} == {OK}


def test_launches_that_come_to_nothing_end_the_sweep_and_blame_no_run(runs_of, swept, rows):
    runs = runs_of(*TINY, "seed=range(2)")
    with pytest.raises(
        UserError, match=r"2 runs are left, and 3 launches .* came to nothing \(ChildProcessError: killed"
    ):
        swept(runs, deaths=range(1, 99))
    assert rows() == {}


def test_a_run_that_kills_its_process_is_recorded_and_takes_no_other_along(runs_of, swept, rows, forking, during):
    runs = runs_of(*TINY, "seed=range(5)")
    deadly = runs[1].id
    during(lambda run: run.id == deadly and die())
    swept(runs, launcher=forking)
    found = rows()
    assert {id for id, row in found.items() if row.status == OK} == {run.id for run in runs} - {deadly}
    error = found[deadly].error
    assert (found[deadly].status, error["class"], error["attempts"]) == (FAILED, "killed", 3)
    assert error["cause"] == "its process died 3 times under way"
    assert error["node"]


def test_a_run_whose_process_was_killed_by_chance_is_done_again(runs_of, swept, rows, forking, during, tmp_path):
    runs = runs_of(*TINY, "seed=range(4)")

    def once(run):
        if not (tmp_path / run.id).exists():
            (tmp_path / run.id).touch()
            die()

    during(once)
    swept(runs, launcher=forking)
    assert {row.status for row in rows().values()} == {OK}
    assert len(rows()) == 4


def test_what_was_under_way_at_two_deaths_is_launched_alone(tmp_path, settings, runs_of):
    runs = runs_of(*TINY, "seed=range(4)")
    asked = scheduler.Scheduler(runs, {}, Workers(1, 1.0), Store(tmp_path, "mine"), list, settings, None)
    assert asked.batch(runs) == runs
    asked.died = {"a": runs[0].id, "b": runs[1].id}
    assert asked.batch(runs) == runs[2:]
    assert asked.batch(runs[:2]) == runs[:2]
    asked.died |= {"c": runs[0].id, "d": runs[1].id}
    assert asked.batch(runs[:2]) == runs[:1]


def test_packs_are_halved_for_each_launch_in_which_a_process_died_and_what_was_under_way_is_alone(
    tmp_path, settings, runs_of
):
    asked = scheduler.Scheduler([], {}, Workers(1, 1.0), Store(tmp_path, "mine"), list, settings, None)
    expected = Expected(1.0, packing=8)
    sizes = []
    for asked.deadly in range(5):
        sizes.append(asked.smaller(expected, apart=False).packing)
    assert sizes == [8, 4, 2, 1, 1]
    asked.deadly = 0
    assert asked.smaller(expected, apart=True).packing == 1


@pytest.mark.parametrize(("steps_each", "finishes"), [(1, True), (0, False)])
def test_a_run_is_launched_as_long_as_each_launch_takes_it_further(
    runs_of, swept, rows, tmp_path, monkeypatch, steps_each, finishes
):
    (run,) = runs_of(*TINY, "seed=0")
    store = Store(tmp_path, "mine")

    def perform(self, runs, machine):  # on a cluster that takes the machine away again and again
        row = store.row(run.id)
        steps = (row.measures["steps"] if row else 0) + steps_each
        return [Row(run.id, "mine", OK if steps == 9 else PREEMPTED, run.choices, {"steps": steps})]

    monkeypatch.setattr(Train, "perform", perform)
    if finishes:
        assert swept([run]) == [1] * 9
        assert rows()[run.id].status == OK
    else:
        with pytest.raises(UserError, match="1 runs are left, and 3 launches"):
            swept([run])


def test_a_run_that_takes_too_long_is_a_timeout_and_the_next_one_is_done(runs_of, swept, rows):
    slow, fine = runs_of(*TINY[:-2], "steps=100000,1", "batch_size=16")
    swept([slow, fine], timeout=0.01)
    assert rows()[fine.id].status == OK
    error = rows()[slow.id].error
    assert (error["class"], error["cause"]) == ("timeout", "not done after 0.01 minutes, the timeout of a run")


def test_a_run_that_hangs_outside_python_is_a_timeout_too(runs_of, swept, rows, during, forking, monkeypatch):
    hanging, fine = runs_of(*TINY, "seed=range(2)")
    monkeypatch.setattr(limit, "GRACE_S", 0.2)
    during(lambda run: run.id == hanging.id and hang())
    swept([hanging, fine], timeout=0.01, launcher=forking, job_seconds=1e-9)
    assert rows()[fine.id].status == OK
    error = rows()[hanging.id].error
    assert (error["class"], error["attempts"]) == ("timeout", 1)
    assert error["cause"] == "it hung, and its process was ended after the timeout"
    assert "in hang" in error["traceback"]


def hang():
    sum(itertools.repeat(0))  # holds the interpreter for ever: no thread and no handler of this process runs


def test_a_sweep_waits_for_the_runs_of_another_and_says_so(runs_of, swept, rows, tmp_path, forked, ended, capsys):
    runs = runs_of(*TINY, "seed=range(3)")
    store = Store(tmp_path, "mine")
    swept(runs)
    taken = store.folder / f"{runs[0].id}.json"
    whole = taken.read_bytes()
    taken.unlink()

    def other():
        with store.leases(600).held(runs[0].id):
            time.sleep(1.5)
            taken.write_bytes(whole)

    pid = forked(other)
    while not store.leases(600).read():
        time.sleep(0.01)
    assert swept(runs) == []
    assert ended(pid) == 0
    assert f"1 runs: another sweep trains what is left here (process {pid} on" in capsys.readouterr().err
    assert set(rows()) == {run.id for run in runs}


def test_a_sweep_takes_over_what_another_left_that_was_killed(runs_of, swept, rows, tmp_path, forked, ended):
    (run,) = runs_of(*TINY, "seed=0")

    def killed():
        with Store(tmp_path, "mine").leases(600).held(run.id):
            die()

    assert ended(forked(killed)) == -signal.SIGKILL
    assert swept([run]) == [1]
    assert rows()[run.id].status == OK
    assert not (tmp_path / "mine" / "leases").exists()


def test_a_row_that_another_wrote_meanwhile_is_left_as_it_is(runs_of, swept, rows, tmp_path, during):
    (run,) = runs_of(*TINY, "seed=0")
    store = Store(tmp_path, "mine")
    swept([run])
    first = store.read().rows[run.id]
    (store.folder / f"{run.id}.json").unlink()
    during(lambda _: store.write(first))  # as happens when the leases are lost
    swept([run])
    assert rows() == {run.id: first}


def test_a_full_disk_ends_the_sweep_before_anything_is_trained_in_vain(runs_of, swept, rows, during, monkeypatch):
    trained = []
    during(lambda run: trained.append(run.id))
    write = Store.write

    def full(store, row):
        if rows():
            raise UserError("cannot write: No space left on device")
        write(store, row)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(UserError, match="No space left"):
        swept(runs_of(*TINY, "seed=range(6)"))
    assert len(trained) == 2


@pytest.mark.parametrize("sink", ["raises", "exits", "blocks"])
def test_a_mirror_out_of_order_costs_no_row_and_keeps_no_sweep_waiting(runs_of, swept, rows, monkeypatch, capsys, sink):
    released = threading.Event()
    start = {"raises": lambda **_: 1 / 0, "exits": lambda **_: sys.exit(3), "blocks": lambda **_: released.wait()}[sink]
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=start, Settings=dict))
    monkeypatch.setattr(tracking, "GRACE_S", 0.2)
    monkeypatch.setattr(tracking, "_gave_up", False)
    wandb = {"name": "wandb", "mode": "offline", "per": "run", "project": "p", "entity": None, "init_timeout": 0.0}
    runs = runs_of(*TINY, "seed=range(4)")
    swept(runs, tracking=wandb)
    released.set()
    assert {id: row.status for id, row in rows().items()} == {run.id: OK for run in runs}
    assert capsys.readouterr().err.count("W&B is off for this process") == 1


def test_asked_to_stop_a_sweep_in_one_process_ends_the_run_under_way_and_no_other_begins(
    runs_of, swept, rows, during, own_signals, capfd
):
    runs = runs_of(
        "dataset=synthetic", "model=resnet8", "model.width=4", "epochs=200", "batch_size=16", "seed=range(4)"
    )
    during(lambda _: threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start())
    with pytest.raises(KeyboardInterrupt):
        swept(runs)
    assert [row.status for row in rows().values()] == [PREEMPTED]
    told = capfd.readouterr().err
    assert "stopping: no run begins" in told
    assert "stopped: 4 runs left, 1 of them with a checkpoint" in told


def test_a_stopped_sweep_counts_what_is_left_and_leaves_no_lease(
    runs_of, swept, rows, during, own_signals, capfd, tmp_path
):
    begun = []

    def stop_at_the_third(run):
        begun.append(run.id)
        if len(begun) == 3:
            signal.raise_signal(signal.SIGTERM)

    during(stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        swept(runs_of(*TINY, "seed=range(6)"))
    assert sorted(row.status for row in rows().values()) == [OK, OK, PREEMPTED]
    assert "stopped: 4 runs left, 1 of them with a checkpoint" in capfd.readouterr().err
    assert not (tmp_path / "mine" / "leases").exists()


@pytest.mark.parametrize("queues", [True, False])
def test_a_request_to_stop_stays_for_jobs_that_a_cluster_has_in_its_queue(
    runs_of, swept, during, launcher, own_signals, monkeypatch, tmp_path, queues
):
    monkeypatch.setattr(launcher, "queues", queues)
    during(lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        swept(runs_of(*TINY, "seed=range(2)"))
    assert bool(list((tmp_path / "mine").glob("leases/.*.stop"))) is queues
