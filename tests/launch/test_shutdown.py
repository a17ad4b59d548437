"""Signals to a sweep and to those that train for it; with joblib and a terminal in tests/commands."""

import os
import signal
import threading
import time

import pytest
from joblib import Parallel, delayed

from bench.launch import shutdown
from bench.rows.leases import Claims
from bench.train import stop

pytestmark = [
    pytest.mark.usefixtures("own_signals"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SWEEP = f"sweep-{os.getpid()}"


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims", 60)


def soon(number, seconds=0.2):
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


def wait(seconds):
    """As a launcher does, which looks now and then."""
    for _ in range(100 * seconds):
        time.sleep(0.01)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_a_signal_stops_an_idle_sweep_at_once_and_leaves_a_word_for_its_processes(claims, number, capfd):
    before = signal.getsignal(number)
    soon(number)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(claims, SWEEP):
        wait(10)
    assert claims.stopped(SWEEP)
    assert signal.getsignal(number) == before
    assert "stopping: no run begins" in capfd.readouterr().err


def test_a_sweep_stops_once_what_trains_for_it_has_ended_and_no_other_is_waited_for(claims, forked, ended):
    def work(sweep, seconds):
        with claims.held(f"{len(sweep):016x}", sweep=sweep):
            time.sleep(seconds)

    pids = [forked(work, SWEEP, 2), forked(work, "another sweep", 60)]
    while len(claims.read()) < 2:
        time.sleep(0.01)
    soon(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(claims, SWEEP):
        wait(10)
    assert shutdown.under_way(claims, SWEEP) == []
    assert [claim.holder.sweep for claim in claims.read().values()] == ["another sweep"]
    os.kill(pids[1], signal.SIGKILL)
    assert [ended(pid) for pid in pids] == [0, -signal.SIGKILL]


def test_a_second_signal_stops_a_sweep_that_waits(claims, forked, ended):
    def work():
        with claims.held("0" * 16, sweep=SWEEP):
            time.sleep(60)

    pid = forked(work)
    while not claims.read():
        time.sleep(0.01)
    soon(signal.SIGINT)
    soon(signal.SIGINT, 0.6)
    with pytest.raises(KeyboardInterrupt), shutdown.stoppable(claims, SWEEP):
        wait(30)
    assert shutdown.under_way(claims, SWEEP)
    os.kill(pid, signal.SIGKILL)
    ended(pid)


def test_a_process_that_trains_hears_of_it_through_the_folder_and_takes_no_ctrl_c(claims, monkeypatch):
    monkeypatch.setattr(shutdown, "POLL_S", 0.01)
    shutdown.follow(claims, "elsewhere-1")
    signal.raise_signal(signal.SIGINT)
    assert not stop.requested()
    claims.stop("elsewhere-1")
    deadline = time.monotonic() + 10
    while not stop.requested() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stop.requested()
    shutdown.raise_if_stopped("elsewhere-1")  # only the sweep's own process goes by an interrupt


def test_a_process_of_a_sweep_begins_deaf_to_ctrl_c(claims, forked, ended):
    def born():
        signal.raise_signal(signal.SIGINT)

    with shutdown.stoppable(claims, SWEEP):
        assert ended(forked(born)) == 0
        blocked = Parallel(n_jobs=2)(delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, ()) for _ in range(2))
        assert blocked == [{signal.SIGINT}] * 2
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
