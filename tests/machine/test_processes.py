import os
import subprocess
import sys

import pytest

from bench.machine.processes import is_alive, pid_namespace, start_time


def test_a_process_is_alive_until_it_ends_and_not_while_it_is_a_zombie():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_time(process.pid) or ""
    assert is_alive(process.pid, started)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid, started)  # a zombie
    process.communicate()
    assert not is_alive(process.pid, started)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only Linux says when a process started")
def test_a_later_process_of_the_same_number_is_another():
    assert is_alive(os.getpid(), start_time(os.getpid()) or "")
    assert not is_alive(os.getpid(), "1")


def test_a_number_that_no_process_can_have_is_of_none():
    assert not is_alive(2**40, "")


def test_processes_of_one_machine_share_a_namespace():
    code = "from bench.machine.processes import pid_namespace; print(pid_namespace())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == pid_namespace()
