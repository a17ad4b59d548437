import select
import subprocess
import sys

import pytest

from bench.machine import gpus

HOLD = """
import sys
from pathlib import Path
from bench.machine.gpus import taken
print("ready", flush=True)
with taken(["GPU-a", "GPU-b"], Path(sys.argv[1])) as place:
    print(place, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that takes one of two devices, and holds it until it is killed."""
    processes = []

    def hold():
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0))
        return processes[-1]

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_two_processes_hold_two_devices_and_a_third_waits_until_one_is_killed(holder):
    first, second = holder(), holder()
    assert all(process.stdout.readline() == b"ready\n" for process in (first, second))
    places = [int(process.stdout.readline()) for process in (first, second)]
    assert sorted(places) == [0, 1]
    third = holder()
    assert third.stdout.readline() == b"ready\n"
    assert not select.select([third.stdout], [], [], 2)[0]
    second.kill()
    assert int(third.stdout.readline()) == places[1]


def test_a_device_is_free_again_after_its_context(tmp_path):
    for _ in range(2):
        with gpus.taken(["GPU-a"], tmp_path) as place:
            assert place == 0


def test_every_device_is_taken_once_before_any_is_shared():
    assert gpus.places(["GPU-a", "GPU-b"], 4) == ["GPU-a", "GPU-b", "GPU-a.1", "GPU-b.1"]
    assert gpus.places(["GPU-a", "GPU-b"], 1) == ["GPU-a", "GPU-b"]


def test_as_many_gpus_are_counted_as_a_scheduler_lets_a_job_see(monkeypatch):
    counts = {}
    for visible in ("", "-1", "0", "1,3", "GPU-a,GPU-b,GPU-c"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        counts[visible] = gpus.gpus()
    assert counts == {"": 0, "-1": 0, "0": 1, "1,3": 2, "GPU-a,GPU-b,GPU-c": 3}
