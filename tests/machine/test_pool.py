"""Processes beside this one, as the measurements of a sweep and the simulations have them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from bench.machine.pool import executor, pool
from bench.machine.processes import start_time

PARENT = """
import os, time
from bench.machine.pool import executor

if __name__ == "__main__":
    one = executor(1)
    print(one.submit(os.getpid).result(), flush=True)
    one.submit(time.sleep, 600)
    time.sleep(600)
"""


def gone(pid, seconds=30):
    deadline = time.monotonic() + seconds
    while start_time(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not start_time(pid)


def test_its_processes_hear_no_ctrl_c():
    with executor(1) as one:
        assert signal.SIGINT in one.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_its_processes_end_with_it_even_if_it_is_killed(tmp_path, number):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    child = int(parent.stdout.readline())
    assert start_time(child)
    parent.send_signal(number)
    parent.communicate()
    assert gone(child)


def interrupted(found):
    with pool(1) as one:
        one.submit(os.getpid).result()
        one.submit(time.sleep, 600)
        found += multiprocessing.active_children()
        raise KeyboardInterrupt


def test_an_interrupt_kills_its_processes():
    found = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(found)
    assert [process.exitcode for process in found] == [-signal.SIGKILL]
