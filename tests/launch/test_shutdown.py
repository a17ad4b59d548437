"""Signals to a sweep and to those that train for it; with joblib and a terminal in tests/commands."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
from joblib import Parallel, delayed

from bench.launch import shutdown
from bench.rows.leases import Leases
from bench.train import stop

pytestmark = [
    pytest.mark.usefixtures("own_signals"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SWEEP = f"sweep-{os.getpid()}"


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path / "leases", 60)


def soon(number, seconds=0.2):
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


def wait(seconds):
    """As a launcher does, which looks now and then."""
    for _ in range(100 * seconds):
        time.sleep(0.01)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_a_signal_stops_an_idle_sweep_at_once_and_leaves_a_word_for_its_processes(leases, number, capfd):
    before = signal.getsignal(number)
    soon(number)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(leases, SWEEP):
        wait(10)
    assert leases.stopped(SWEEP)
    assert signal.getsignal(number) == before
    assert "stopping: no run begins" in capfd.readouterr().err


def test_a_sweep_stops_once_what_trains_for_it_has_ended_and_no_other_is_waited_for(leases, forked, ended):
    def work(sweep, seconds):
        with leases.held(f"{len(sweep):016x}", sweep=sweep):
            time.sleep(seconds)

    pids = [forked(work, SWEEP, 2), forked(work, "another sweep", 60)]
    while len(leases.read()) < 2:
        time.sleep(0.01)
    soon(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(leases, SWEEP):
        wait(10)
    assert shutdown.under_way(leases, SWEEP) == []
    assert [lease.holder.sweep for lease in leases.read().values()] == ["another sweep"]
    os.kill(pids[1], signal.SIGKILL)
    assert [ended(pid) for pid in pids] == [0, -signal.SIGKILL]


def test_a_second_signal_stops_a_sweep_that_waits(leases, forked, ended):
    def work():
        with leases.held("0" * 16, sweep=SWEEP):
            time.sleep(60)

    pid = forked(work)
    while not leases.read():
        time.sleep(0.01)
    soon(signal.SIGINT)
    soon(signal.SIGINT, 0.6)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(leases, SWEEP):
        wait(30)
    assert shutdown.under_way(leases, SWEEP)
    os.kill(pid, signal.SIGKILL)
    ended(pid)


def test_a_process_that_trains_hears_of_it_through_the_folder_and_takes_no_ctrl_c(leases, monkeypatch):
    monkeypatch.setattr(shutdown, "POLL_S", 0.01)
    shutdown.follow(leases, "elsewhere-1")
    signal.raise_signal(signal.SIGINT)
    assert not stop.requested()
    leases.stop("elsewhere-1")
    deadline = time.monotonic() + 10
    while not stop.requested() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stop.requested()
    shutdown.raise_if_stopped("elsewhere-1")  # only the sweep's own process goes by an interrupt


def test_a_process_of_a_sweep_that_was_stopped_and_killed_ends_once_it_trains_nothing(
    leases, forked, ended, monkeypatch
):
    monkeypatch.setattr(shutdown, "POLL_S", 0.01)
    leases.stop("killed-1")

    def work():
        multiprocessing.current_process().name = "LokyProcess-1"
        with leases.held("0" * 16, sweep="killed-1"):
            shutdown.follow(leases, "killed-1")
            time.sleep(0.5)
            (leases.folder / "checkpoint").touch()
        time.sleep(60)

    assert ended(forked(work)) == 1
    assert (leases.folder / "checkpoint").exists()


def test_a_process_of_a_sweep_begins_deaf_to_ctrl_c(leases, forked, ended):
    def born():
        signal.raise_signal(signal.SIGINT)

    with shutdown.stoppable(leases, SWEEP):
        assert ended(forked(born)) == 0
        blocked = Parallel(n_jobs=2)(delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, ()) for _ in range(2))
        assert blocked == [{signal.SIGINT}] * 2
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
