import os
import subprocess
import sys

import pytest

from bench.machine.processes import born, lives, place


def test_a_process_lives_until_it_ends_also_while_nobody_has_buried_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    birth = born(process.pid) or ""
    assert lives(process.pid, birth)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(process.pid, birth)  # a zombie
    process.communicate()
    assert not lives(process.pid, birth)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only Linux tells when a process began")
def test_a_later_process_of_the_same_number_is_another():
    assert lives(os.getpid(), born(os.getpid()) or "")
    assert not lives(os.getpid(), "1")


def test_a_number_that_no_process_can_have_is_of_none():
    assert not lives(2**40, "")


def test_processes_of_one_machine_share_its_place():
    code = "from bench.machine.processes import place; print(place())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == place()
