import os
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


def test_a_lock_file_is_for_all_users_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        with gpus.locked(["GPU-a"], tmp_path):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "initbench-GPU-a.lock").stat().st_mode & 0o777 == 0o666


def test_a_lock_file_of_another_user_is_locked_or_replaced_by_one_of_this_user(tmp_path, monkeypatch):
    theirs = tmp_path / "initbench-GPU-a.lock"
    theirs.touch()
    original = os.open

    def of_another_user(path, flags, *mode):
        if path == theirs and (flags & (os.O_CREAT | os.O_RDWR) or not theirs.stat().st_mode & 0o004):
            raise PermissionError(13, "Permission denied")
        return original(path, flags, *mode)

    monkeypatch.setattr(os, "open", of_another_user)
    theirs.chmod(0o644)
    with gpus.locked(["GPU-a", "GPU-b"], tmp_path) as first, gpus.locked(["GPU-a", "GPU-b"], tmp_path) as second:
        assert (first, second) == (0, 1)
    theirs.chmod(0o600)
    with gpus.locked(["GPU-a", "GPU-b"], tmp_path) as first, gpus.locked(["GPU-a", "GPU-b"], tmp_path) as second:
        assert (first, second) == (0, 1)


def test_every_gpu_is_taken_once_before_any_is_shared():
    assert gpus.lock_names(["GPU-a", "GPU-b"], 4) == ["GPU-a", "GPU-b", "GPU-a.1", "GPU-b.1"]
    assert gpus.lock_names(["GPU-a", "GPU-b"], 1) == ["GPU-a", "GPU-b"]


def test_as_many_gpus_are_counted_as_a_scheduler_lets_a_job_see(monkeypatch):
    counts = {}
    for visible in ("", "-1", "0", "1,3", "GPU-a,GPU-b,GPU-c"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        counts[visible] = gpus.gpu_count()
    assert counts == {"": 0, "-1": 0, "0": 1, "1,3": 2, "GPU-a,GPU-b,GPU-c": 3}
