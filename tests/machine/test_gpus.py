import select
import subprocess
import sys

import pytest

from bench.machine import gpus

HOLD = """
import sys
from pathlib import Path
from bench.machine.gpus import locked
print("ready", flush=True)
with locked(["GPU-a", "GPU-b"], Path(sys.argv[1])) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that takes one of two GPUs, and holds it until it is killed."""
    processes = []

    def hold():
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0))
        return processes[-1]

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_two_processes_hold_two_gpus_and_a_third_waits_until_one_is_killed(holder):
    first, second = holder(), holder()
    assert all(process.stdout.readline() == b"ready\n" for process in (first, second))
    taken = [int(process.stdout.readline()) for process in (first, second)]
    assert sorted(taken) == [0, 1]
    third = holder()
    assert third.stdout.readline() == b"ready\n"
    assert not select.select([third.stdout], [], [], 2)[0]
    second.kill()
    assert int(third.stdout.readline()) == taken[1]


def test_a_gpu_is_free_again_after_its_context(tmp_path):
    for _ in range(2):
        with gpus.locked(["GPU-a"], tmp_path) as index:
            assert index == 0


def test_every_gpu_is_taken_once_before_any_is_shared():
    assert gpus.lock_names(["GPU-a", "GPU-b"], 4) == ["GPU-a", "GPU-b", "GPU-a.1", "GPU-b.1"]
    assert gpus.lock_names(["GPU-a", "GPU-b"], 1) == ["GPU-a", "GPU-b"]


def test_as_many_gpus_are_counted_as_a_scheduler_lets_a_job_see(monkeypatch):
    counts = {}
    for visible in ("", "-1", "0", "1,3", "GPU-a,GPU-b,GPU-c"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        counts[visible] = gpus.gpu_count()
    assert counts == {"": 0, "-1": 0, "0": 1, "1,3": 2, "GPU-a,GPU-b,GPU-c": 3}
