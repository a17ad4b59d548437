"""Killed anywhere, finished by the same sweep: at every failpoint, and at random instants."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bench import failpoint
from bench.rows.store import Store
from bench.schema import OK, UserError

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16", "seed=range(2)")
COSTS = {"seconds", "images_per_second", "peak_memory_bytes"}
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
PASSED = {name: 4 if name.split("_")[1] in ("write", "sync", "replace") else 2 for name in failpoint.NAMES} | {
    "after_plan": 1
}
CRASHES = [f"{name}:{number}" for name, times in PASSED.items() for number in range(1, times + 1)]


def results(folder):
    """What came out of each run, its costs apart."""
    rows = Store(folder, "mine").read().rows.values()
    return {
        row.id: (row.status, row.curve, {name: value for name, value in row.measures.items() if name not in COSTS})
        for row in rows
    }


@pytest.fixture(scope="module")
def undisturbed():
    """The results of a study, by the runs that it is made of; each is done once and never disturbed."""
    return {}


@pytest.fixture
def expected(undisturbed, swept, tmp_path):
    def expected(runs):
        key = tuple(run.id for run in runs)
        if key not in undisturbed:
            swept(runs, results=str(tmp_path / "undisturbed"))
            undisturbed[key] = results(tmp_path / "undisturbed")
        return undisturbed[key]

    return expected


@pytest.fixture
def crashing(forked, ended, monkeypatch):
    """Do something in a process that dies at a failpoint; whether it did."""

    def crashing(point, function):
        monkeypatch.setenv("BENCH_CRASH_AT", point)
        code = ended(forked(function))
        monkeypatch.delenv("BENCH_CRASH_AT")
        return code == -signal.SIGKILL

    return crashing


def stamps(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in Path(folder).glob("mine/*.json")}


@pytest.mark.parametrize("point", CRASHES)
def test_killed_at_any_point_the_same_sweep_finishes_and_repeats_nothing(
    runs_of, swept, crashing, expected, tmp_path, point
):
    runs = runs_of(*TINY)
    wanted = expected(runs)
    assert crashing(point, lambda: swept(runs))
    done = stamps(tmp_path)
    swept(runs)
    assert results(tmp_path) == wanted
    assert {path: stamp for path, stamp in stamps(tmp_path).items() if path in done} == done
    assert [path.name for path in (tmp_path / "mine").iterdir() if path.name == "leases"] == []


@pytest.mark.parametrize("point", [name for name in failpoint.NAMES if PASSED[name] == 4])
def test_killed_while_it_seals_a_study_is_whole_before_and_after(runs_of, swept, crashing, expected, tmp_path, point):
    runs = runs_of(*TINY)
    wanted = expected(runs)
    swept(runs)
    store = Store(tmp_path, "mine")
    assert crashing(f"{point}:1", store.seal)
    assert (results(tmp_path), store.read().remarks) == (wanted, [])
    assert store.seal() == len(runs)
    for row in store.folder.glob("*.json"):
        row.unlink()
    assert (results(tmp_path), store.read().remarks) == (wanted, [])


def test_killed_at_random_instants_the_same_sweep_finishes(runs_of, swept, forked, ended, expected, tmp_path):
    runs = runs_of(*TINY[:-1], "seed=range(12)")
    wanted = expected(runs)
    rng, kills = random.Random(0), 0
    while kills < 5:
        pid = forked(lambda: swept(runs))
        time.sleep(rng.uniform(0.05, 0.5))
        os.kill(pid, signal.SIGKILL)
        kills += ended(pid) == -signal.SIGKILL
        if len(results(tmp_path)) == len(runs):  # the machine was fast: begin anew
            for path in (tmp_path / "mine").glob("*.json"):
                path.unlink()
    swept(runs)
    assert results(tmp_path) == wanted


# disks


def test_a_disk_that_is_full_is_said_and_what_is_done_is_kept(runs_of, swept, forked, ended, tmp_path):
    runs = runs_of(*TINY)
    swept(runs[:1])
    kept = stamps(tmp_path)

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))  # a lease fits, a row does not
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the limit is on what pytest captures, too
        with pytest.raises(UserError, match=r"File too large; what was there is untouched\. Make room"):
            swept(runs)

    assert ended(forked(full)) == 0
    assert stamps(tmp_path) == kept
    swept(runs)
    assert {status for status, _, _ in results(tmp_path).values()} == {OK}


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_small_disk_that_fills_up_ends_the_sweep_and_one_with_room_goes_on(runs_of, swept, small_disk):
    runs = runs_of(*TINY)
    swept(runs[:1], results=str(small_disk))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(UserError, match="No space left on device"):
        swept(runs, results=str(small_disk))
    assert len(results(small_disk)) == 1
    filler.unlink()
    swept(runs, results=str(small_disk))
    assert len(results(small_disk)) == len(runs)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: flipped(data, 200)])
def test_a_damaged_row_is_named_and_its_run_alone_done_again(runs_of, swept, expected, tmp_path, capsys, damage):
    runs = runs_of(*TINY)
    wanted = expected(runs)
    swept(runs)
    victim, *others = sorted(stamps(tmp_path))
    kept = {path: stamps(tmp_path)[path] for path in others}
    victim.write_bytes(damage(victim.read_bytes()))
    capsys.readouterr()
    swept(runs)
    assert f"{victim} is not a whole row" in capsys.readouterr().err
    assert results(tmp_path) == wanted
    assert {path: stamps(tmp_path)[path] for path in others} == kept


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
