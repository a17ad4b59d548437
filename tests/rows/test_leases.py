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

from bench.rows import leases as claiming
from bench.rows.leases import Claims
from bench.rows.store import Store
from bench.schema import Run, UserError

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
FAR, NOBODY = "another machine", 2**22 + 1  # above the largest number that a process has


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims", 60)


def leave(claims, name=ID, age=0.0, **fields):
    """What a process leaves that died, or that is on another machine."""
    claims.folder.mkdir(exist_ok=True)
    here = claiming._this_process("resnet20 seed 0", "sweep-1").__dict__
    path = claims.folder / name
    path.write_text(json.dumps(here | {"pid": NOBODY} | fields))
    os.utime(path, (time.time() - age,) * 2)


def names(claims):
    return sorted(os.listdir(claims.folder))


# one run, one holder


def test_a_run_is_held_by_one_until_it_lets_go(claims):
    with claims.held(ID) as first:
        with claims.held(ID) as second, claims.held(OTHER) as another:
            assert (first, second, another) == (1, 0, 1)
        assert names(claims) == [ID]
    assert names(claims) == []
    with claims.held(ID) as again:
        assert again == 1


def test_what_fails_lets_go_too(claims):
    with pytest.raises(ZeroDivisionError), claims.held(ID):
        1 / 0  # noqa: B018
    assert claims.read() == {}


def test_a_process_that_can_start_no_thread_lets_go_too(claims, monkeypatch):
    def full(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(claiming, "_heart", claiming.threading.Thread())
    monkeypatch.setattr(claiming.threading.Thread, "start", full)
    with pytest.raises(RuntimeError, match="new thread"), claims.held(ID):
        pass
    assert claims.read() == {}


def test_a_child_gives_no_signs_of_life_for_its_parent(claims):
    with claims.held(ID):
        if (pid := os.fork()) == 0:
            os._exit(len(claiming._beating))
        assert os.waitpid(pid, 0)[1] == 0
        assert claiming._beating


def test_a_claim_says_who_holds_what_since_when_and_for_which_sweep(claims):
    before = time.time()
    with claims.held(ID, "resnet20 seed 0", "sweep-1"):
        (claim,) = claims.read().values()
    assert claim.alive
    assert (claim.holder.pid, claim.holder.host) == (os.getpid(), os.uname().nodename)
    assert (claim.holder.about, claim.holder.sweep) == ("resnet20 seed 0", "sweep-1")
    assert before <= claim.holder.since <= time.time()


def test_a_holder_gives_signs_of_life(claims, monkeypatch):
    monkeypatch.setattr(claiming, "BEAT_S", 0.01)
    with claims.held(ID):
        os.utime(claims.folder / ID, (0, 0))
        deadline = time.monotonic() + 10
        while (claims.folder / ID).stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - (claims.folder / ID).stat().st_mtime < 10


# the dead


def test_the_claim_of_a_dead_process_of_this_machine_is_taken_over_at_once_and_its_tries_count(claims):
    leave(claims)
    assert not claims.read()[ID].alive
    for _ in range(2):
        with claims.held(ID) as attempt:
            assert attempt == 2
            assert claims.read()[ID].alive
        assert names(claims) == []
        leave(claims)


def test_who_took_over_and_died_is_taken_over_in_turn(claims):
    leave(claims, token="a" * 16)
    leave(claims, f"{ID}.{'a' * 16}", token="b" * 16)
    with claims.held(ID) as attempt, claims.held(ID) as other:
        assert (attempt, other) == (3, 0)
    assert names(claims) == []


@pytest.mark.parametrize(("age", "attempt"), [(0, 0), (50, 0), (70, 2)])
def test_a_process_of_another_machine_is_dead_once_it_gave_no_sign_for_long(claims, age, attempt):
    leave(claims, age=age, place=FAR)
    assert claims.read()[ID].alive is (attempt == 0)
    with claims.held(ID) as got:
        assert got == attempt


def test_a_process_of_this_machine_lives_however_long_it_gave_no_sign(claims):
    leave(claims, age=10**6, pid=os.getpid())
    with claims.held(ID) as attempt:
        assert attempt == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": 3}', json.dumps({"pid": "x"})])
def test_what_is_no_whole_claim_is_believed_until_it_is_old(claims, content):
    leave(claims)
    (claims.folder / ID).write_text(content)
    with claims.held(ID) as attempt:
        assert attempt == 0
    os.utime(claims.folder / ID, (0, 0))
    with claims.held(ID) as attempt, claims.held(ID) as other:
        assert (attempt, other) == (2, 0)


def test_a_claim_cannot_name_a_file_outside_its_folder(claims, tmp_path):
    leave(claims, token="/../../escaped")
    with claims.held(ID):
        assert sorted(os.listdir(tmp_path)) == ["claims"]
        assert all("escaped" not in name for name in names(claims))


def test_a_taker_who_comes_late_for_a_chain_that_was_taken_down_holds_nothing(claims, monkeypatch):
    leave(claims)
    link = claiming._linked

    def slowly(own, path):
        if path.name != ID:  # another took the run over, trained it and let go, since we found its holder dead
            (claims.folder / ID).unlink()
        return link(own, path)

    monkeypatch.setattr(claiming, "_linked", slowly)
    with claims.held(ID) as attempt:
        assert attempt == 0
    assert names(claims) == []


def test_of_what_the_dead_left_that_of_done_runs_is_removed_and_of_the_living_nothing(claims):
    leave(claims)
    for name in (f"{ID}.trace", f"{ID}.{'a' * 16}", f".{ID}.{'b' * 16}.tmp"):
        (claims.folder / name).write_text("")
    with claims.held(OTHER):
        claims.tidy({ID, OTHER})
        assert names(claims) == [OTHER]
    claims.tidy(())
    assert not claims.folder.exists()


# file systems


def test_a_file_system_without_links_will_do(claims, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    leave(claims)
    with claims.held(ID) as attempt, claims.held(ID) as other:
        assert (attempt, other) == (2, 0)
    assert names(claims) == []


def test_a_link_whose_success_was_reported_as_a_failure_counts(claims, monkeypatch):
    link = os.link

    def repeated(own, path):  # NFS sends a request again when its answer is lost
        link(own, path)
        raise FileExistsError

    monkeypatch.setattr(os, "link", repeated)
    with claims.held(ID) as attempt:
        assert attempt == 1


def test_a_full_disk_is_said_before_anything_is_trained(claims, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(UserError, match=r"cannot write in .*claims: No space left on device\. Make room"),
        claims.held(ID),
    ):
        pass
    assert names(claims) == []


def test_the_loss_of_the_folder_ends_nothing(claims):
    with claims.held(ID):
        (claims.folder / ID).unlink()
        claims.folder.rmdir()
        with claims.held(ID) as other:
            assert other == 1
    with claims.held(ID) as again:
        assert again == 1


def test_a_sweep_is_asked_to_stop_by_its_name(claims):
    claims.stop("sweep-1")
    assert claims.stopped("sweep-1")
    assert not claims.stopped("sweep-2")
    assert claims.read() == {}


# many processes

WORKER = """
import os, sys, time
from pathlib import Path
from bench.rows.store import Store
from bench.schema import FINAL, OK, Row, Run

store, log = Store(sys.argv[1], "study"), Path(sys.argv[1]) / "log"
claims = store.claims(600)
for seed in range(int(sys.argv[2])):
    run = Run("study", {"seed": seed})
    with claims.held(run.id) as mine:
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
