import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.rows import leases as module
from bench.rows.leases import Leases
from bench.rows.store import Store
from bench.schema import Run, UserError

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
FAR, NOBODY = "another machine", 2**22 + 1  # above the largest number that a process has


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path / "leases", 60)


def leave(leases, name=ID, age=0.0, **fields):
    """What a process leaves that died, or that is on another machine."""
    with leases.held("a" * 16, "resnet20 seed 0", "sweep-1"):
        here = json.loads((leases.folder / ("a" * 16)).read_text())
    path = leases.folder / name
    path.write_text(json.dumps(here | {"pid": NOBODY} | fields))
    os.utime(path, (time.time() - age,) * 2)


def names(leases):
    return sorted(os.listdir(leases.folder))


# one run, one holder


def test_a_run_is_held_by_one_until_it_lets_go(leases):
    with leases.held(ID) as first:
        with leases.held(ID) as second, leases.held(OTHER) as another:
            assert (first, second, another) == (1, 0, 1)
        assert names(leases) == [ID]
    assert names(leases) == []
    with leases.held(ID) as again:
        assert again == 1


def test_what_fails_lets_go_too(leases):
    with pytest.raises(ZeroDivisionError), leases.held(ID):
        1 / 0  # noqa: B018
    assert leases.read() == {}


def test_a_process_that_can_start_no_thread_lets_go_too(leases, monkeypatch):
    def full(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "_heart", module.threading.Thread())
    monkeypatch.setattr(module.threading.Thread, "start", full)
    with pytest.raises(RuntimeError, match="new thread"), leases.held(ID):
        pass
    assert leases.read() == {}


def test_a_child_gives_no_signs_of_life_for_its_parent(leases):
    with leases.held(ID):
        if (pid := os.fork()) == 0:
            module.BEAT_S = 0.01
            with leases.held(OTHER):
                os.utime(leases.folder / ID, (0, 0))
                time.sleep(0.2)
                os._exit((leases.folder / ID).stat().st_mtime > 0)
        assert os.waitpid(pid, 0)[1] == 0


def test_a_lease_says_who_holds_what_since_when_and_for_which_sweep(leases):
    before = time.time()
    with leases.held(ID, "resnet20 seed 0", "sweep-1"):
        (lease,) = leases.read().values()
    assert lease.alive
    assert (lease.holder.pid, lease.holder.host) == (os.getpid(), os.uname().nodename)
    assert (lease.holder.about, lease.holder.sweep) == ("resnet20 seed 0", "sweep-1")
    assert before <= lease.holder.since <= time.time()


def test_a_holder_gives_signs_of_life(leases, monkeypatch):
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    with leases.held(ID):
        os.utime(leases.folder / ID, (0, 0))
        deadline = time.monotonic() + 10
        while (leases.folder / ID).stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - (leases.folder / ID).stat().st_mtime < 10


# the dead


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once_and_its_tries_count(leases):
    leave(leases)
    assert not leases.read()[ID].alive
    for _ in range(2):
        with leases.held(ID) as attempt:
            assert attempt == 2
            assert leases.read()[ID].alive
        assert names(leases) == []
        leave(leases)


def test_who_took_over_and_died_is_taken_over_in_turn(leases):
    leave(leases, token="a" * 16)
    leave(leases, f"{ID}.{'a' * 16}", token="b" * 16)
    with leases.held(ID) as attempt, leases.held(ID) as other:
        assert (attempt, other) == (3, 0)
    assert names(leases) == []


@pytest.mark.parametrize(("age", "attempt"), [(0, 0), (50, 0), (70, 2)])
def test_a_process_of_another_machine_is_dead_once_it_gave_no_sign_for_long(leases, age, attempt):
    leave(leases, age=age, namespace=FAR)
    assert leases.read()[ID].alive is (attempt == 0)
    with leases.held(ID) as got:
        assert got == attempt


def test_a_process_of_this_machine_lives_however_long_it_gave_no_sign(leases):
    leave(leases, age=10**6, pid=os.getpid())
    with leases.held(ID) as attempt:
        assert attempt == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": 3}', json.dumps({"pid": "x"})])
def test_what_is_no_whole_lease_is_believed_until_it_is_old(leases, content):
    leave(leases)
    (leases.folder / ID).write_text(content)
    with leases.held(ID) as attempt:
        assert attempt == 0
    os.utime(leases.folder / ID, (0, 0))
    with leases.held(ID) as attempt, leases.held(ID) as other:
        assert (attempt, other) == (2, 0)


def test_a_lease_cannot_name_a_file_outside_its_folder(leases, tmp_path):
    leave(leases, token="/../../escaped")
    with leases.held(ID):
        assert sorted(os.listdir(tmp_path)) == ["leases"]
        assert all("escaped" not in name for name in names(leases))


def test_a_taker_who_comes_late_for_a_chain_that_was_taken_down_holds_nothing(leases, monkeypatch):
    leave(leases)
    link = os.link

    def slowly(own, path):
        if path.name != ID:  # another took the run over, trained it and let go, since we found its holder dead
            (leases.folder / ID).unlink()
        link(own, path)

    monkeypatch.setattr(os, "link", slowly)
    with leases.held(ID) as attempt:
        assert attempt == 0
    assert names(leases) == []


def test_of_what_the_dead_left_that_of_done_runs_is_removed_and_of_the_living_nothing(leases):
    leave(leases)
    for name in (f"{ID}.trace", f"{ID}.{'a' * 16}", f".{ID}.{'b' * 16}.tmp"):
        (leases.folder / name).write_text("")
    with leases.held(OTHER):
        leases.tidy({ID, OTHER})
        assert names(leases) == [OTHER]
    leases.tidy(())
    assert not leases.folder.exists()


# file systems


def test_a_file_system_without_links_will_do(leases, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    leave(leases)
    with leases.held(ID) as attempt, leases.held(ID) as other:
        assert (attempt, other) == (2, 0)
    assert names(leases) == []


def test_a_link_whose_success_was_reported_as_a_failure_counts(leases, monkeypatch):
    link = os.link

    def repeated(own, path):  # NFS sends a request again when its answer is lost
        link(own, path)
        raise FileExistsError

    monkeypatch.setattr(os, "link", repeated)
    with leases.held(ID) as attempt:
        assert attempt == 1


def test_a_full_disk_is_reported_before_anything_is_trained(leases, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(UserError, match=r"cannot write in .*leases: No space left on device\. Make room"),
        leases.held(ID),
    ):
        pass
    assert names(leases) == []


def test_the_loss_of_the_folder_ends_nothing(leases):
    with leases.held(ID):
        (leases.folder / ID).unlink()
        leases.folder.rmdir()
        with leases.held(ID) as other:
            assert other == 1
    with leases.held(ID) as again:
        assert again == 1


def test_a_sweep_is_asked_to_stop_by_its_name(leases):
    leases.stop("sweep-1")
    assert leases.stopped("sweep-1")
    assert not leases.stopped("sweep-2")
    assert leases.read() == {}


def test_a_request_to_stop_is_forgotten_with_the_folder_that_it_made_and_no_lease(leases):
    leases.stop("sweep-1")
    with leases.held(ID):
        leases.forget("sweep-1")
        assert not leases.stopped("sweep-1")
        assert [*leases.read()] == [ID]
    leases.stop("sweep-1")
    leases.forget("sweep-1")
    assert not leases.folder.exists()


def test_a_request_to_stop_goes_with_its_process_unless_jobs_may_come_later(leases):
    leases.stop("sweep-1")
    leases.tidy([])
    assert leases.stopped("sweep-1")
    request = leases.folder / ".sweep-1.stop"
    request.write_text(json.dumps(json.loads(request.read_text()) | {"pid": NOBODY}))
    leases.stop("sweep-2", lasting=True)
    leases.tidy([])
    assert (leases.stopped("sweep-1"), leases.stopped("sweep-2")) == (False, True)


# many processes

WORKER = """
import os, sys, time
from pathlib import Path
from bench.rows.store import Store
from bench.schema import FINAL, OK, Row, Run

store, log = Store(sys.argv[1], "study"), Path(sys.argv[1]) / "log"
leases = store.leases(600)
for seed in range(int(sys.argv[2])):
    run = Run("study", {"seed": seed})
    with leases.held(run.id) as mine:
        if mine and store.status(run.id) not in FINAL:
            with log.open("a") as file:
                file.write(f"{seed} began\\n")
            time.sleep(0.005)
            store.write(Row(run.id, "study", OK, run.choices))
            with log.open("a") as file:
                file.write(f"{seed} ended\\n")
"""


def test_four_processes_that_are_killed_at_random_train_each_of_200_runs_once(tmp_path: Path) -> None:
    count, kills = 200, 12
    log, rng = tmp_path / "log", random.Random(0)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(count)])

    workers = [start() for _ in range(4)]
    killed = 0
    while killed < kills and any(worker.poll() is None for worker in workers):
        time.sleep(rng.uniform(0.02, 0.2))
        place = rng.randrange(4)
        if log.exists() and workers[place].poll() is None:
            workers[place].send_signal(signal.SIGKILL)
            workers[place].wait()
            workers[place] = start()
            killed += 1
    assert not any(worker.wait() for worker in workers)
    assert start().wait() == 0  # what the last of the killed had under way
    lines = Counter(tuple(line.split()) for line in log.read_text().splitlines())
    store = Store(tmp_path, "study")
    assert set(store.read().rows) == {Run("study", {"seed": seed}).id for seed in range(count)}
    assert all(times == 1 for (_, what), times in lines.items() if what == "ended")
    again = sum(times - 1 for (_, what), times in lines.items() if what == "began")
    assert again <= killed  # a run that was under way at a kill is trained again, no other
    assert killed >= kills // 2
