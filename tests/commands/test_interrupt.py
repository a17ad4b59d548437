"""Sweeps that are interrupted, killed, or not alone: as a user types them, with joblib and on a terminal."""

import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from bench.rows.store import Store
from bench.schema import OK, PREEMPTED

TINY = [
    *("sweep", "study=mine", "model=resnet8", "model.width=4", "dataset=synthetic", "batch_size=16"),
    *("initializer=he_normal,glorot_uniform", "tracking=off"),
]
COSTS = {"seconds", "images_per_second", "peak_memory_bytes"}
# as a shell starts it, which hears Ctrl-C even if these tests were started where nobody does, with & in a script
ON_A_TERMINAL = (
    "import fcntl, os, signal, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.executable, [sys.executable, '-m', 'bench', *sys.argv[1:]])"
)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, folder, *words):
        self.screen, inside = pty.openpty()
        command = [sys.executable, "-c", ON_A_TERMINAL, *words]
        self.process = subprocess.Popen(command, cwd=folder, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self.shown = b""

    def press_ctrl_c(self):
        os.write(self.screen, b"\x03")

    def read(self, seconds=0.1):
        """What has been shown so far."""
        while select.select([self.screen], [], [], seconds)[0]:
            try:
                self.shown += os.read(self.screen, 65536)
            except OSError:  # as Linux says that nobody is there any more
                break
        return self.shown.decode(errors="replace")

    def end(self):
        """The exit code; the screen is read meanwhile, or nothing could be written to it."""
        while self.process.poll() is None:
            self.read()
        self.read()
        os.close(self.screen)
        return self.process.returncode

    def left_over(self):
        """The processes of its session, whoever started them."""
        listed = subprocess.run(
            ["ps", "-o", "stat=,args=", "-s", str(self.process.pid)], capture_output=True, text=True
        )
        return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "mine")


def until(wished, seconds=90):
    deadline = time.monotonic() + seconds
    while not wished() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert wished()


def under_way(store):
    return [lease for lease in store.leases(600).read().values() if lease.alive]


def statuses(store):
    return sorted(row.status for row in store.read().rows.values())


def test_ctrl_c_lets_the_runs_under_way_end_with_a_checkpoint_and_leaves_no_process(tmp_path, store):
    terminal = Terminal(tmp_path, *TINY, "seed=range(20)", "epochs=500", "hydra.launcher.n_jobs=2", "packing=1")
    until(lambda: terminal.read() and len(under_way(store)) == 2)
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    shown = terminal.shown.decode()
    assert "stopping: no run begins" in shown
    assert "stopped: 40 runs left, 2 of them with a checkpoint" in shown
    assert "the same command goes on from here" in shown
    assert "Traceback" not in shown
    assert statuses(store) == [PREEMPTED, PREEMPTED]
    assert under_way(store) == []
    until(lambda: terminal.left_over() == [])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2.0, 4.0, 6.0, 8.0, 10.0])
def test_ctrl_c_at_any_time_shows_no_traceback_and_leaves_no_process(tmp_path, seconds):
    terminal = Terminal(tmp_path, *TINY, "seed=range(20)", "epochs=500", "hydra.launcher.n_jobs=2")
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        terminal.read()
    terminal.press_ctrl_c()
    assert terminal.end() in (130, -signal.SIGINT)  # a shell shows the same for both
    assert "Traceback" not in terminal.shown.decode()
    until(lambda: terminal.left_over() == [])


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(tmp_path, store):
    terminal = Terminal(tmp_path, *TINY, "seed=range(20)", "epochs=500", "hydra.launcher.n_jobs=2", "packing=1")
    until(lambda: terminal.read() and len(under_way(store)) == 2)
    for lease in under_way(store):  # a run that does not come to its next step
        os.kill(lease.holder.pid, signal.SIGSTOP)
    terminal.press_ctrl_c()
    until(lambda: "stopping" in terminal.read())
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown.decode()
    until(lambda: terminal.left_over() == [])
    assert statuses(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "basic"])
def test_a_notice_to_the_sweep_alone_reaches_its_processes_and_the_same_command_goes_on(tmp_path, store, launcher):
    command = [sys.executable, "-m", "bench", *TINY, "seed=0,1", "epochs=60", f"hydra/launcher={launcher}"]
    sweep = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until(lambda: under_way(store))
    sweep.send_signal(signal.SIGTERM)
    _, told = sweep.communicate()
    assert sweep.returncode == 130
    assert "Traceback" not in told
    assert set(statuses(store)) == {PREEMPTED}
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert statuses(store) == [OK] * 4


# several sweeps, and kills

COUNTED = r"""
import os
from bench.registry import task
from bench.train.task.train import Train

def note(runs, what):
    with open(os.environ["TRAINED"], "a") as log:
        for run in runs:
            log.write(f"{run.id} {what}\n")

@task
class Counted(Train):
    def perform(self, runs, machine):
        note(runs, "began")
        rows = super().perform(runs, machine)
        note(runs, "ended")
        return rows
"""


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A task of the user's own, which trains and keeps a log of it; the words of a command that takes it."""
    from bench import catalogue

    (tmp_path / "conf" / "task").mkdir(parents=True)
    yaml = (catalogue.CONF / "task" / "train.yaml").read_text()
    yaml = re.sub("function: .*", "function: counted_task:Counted", re.sub("name: train", "name: counted", yaml))
    (tmp_path / "conf" / "task" / "counted.yaml").write_text(yaml)
    (tmp_path / "counted_task.py").write_text(COUNTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("TRAINED", str(tmp_path / "log"))
    return ["--config-dir", str(tmp_path / "conf"), "task=counted"]


def times(tmp_path, what):
    lines = (tmp_path / "log").read_text().splitlines()
    return [line.split()[0] for line in lines if line.endswith(what)]


@pytest.mark.slow
def test_four_sweeps_of_one_study_that_are_killed_at_random_train_each_of_200_runs_once(tmp_path, store, counting):
    command = [sys.executable, "-m", "bench", *TINY, *counting, "seed=range(100)", "steps=20", "hydra/launcher=basic"]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    rng, killed = random.Random(0), 0
    sweeps = [subprocess.Popen(command, **quiet) for _ in range(4)]
    until(lambda: store.read().rows)
    while killed < 6 and len(store.read(curves=False).rows) < 190:
        time.sleep(rng.uniform(0.5, 3))
        place = rng.randrange(4)
        sweeps[place].kill()
        killed += sweeps[place].wait() == -signal.SIGKILL
        sweeps[place] = subprocess.Popen(command, **quiet)
    assert [sweep.wait() for sweep in sweeps] == [0] * 4
    rows = store.read().rows
    assert statuses(store) == [OK] * 200
    ended, began = times(tmp_path, "ended"), times(tmp_path, "began")
    assert set(began) == set(rows)
    assert len(began) - len(rows) <= killed  # those that were under way at a kill
    assert len(ended) - len(set(ended)) <= killed  # a kill between the end of a training and its row
    assert killed


@pytest.mark.slow
def test_two_sweeps_with_joblib_share_a_study(tmp_path, store, counting):
    command = [sys.executable, "-m", "bench", *TINY, *counting, "seed=range(20)", "steps=20", "hydra.launcher.n_jobs=2"]
    sweeps = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [sweep.wait() for sweep in sweeps] == [0, 0]
    assert statuses(store) == [OK] * 40
    assert sorted(times(tmp_path, "began")) == sorted(store.read().rows)
    assert not (store.folder / "leases").exists()


@pytest.mark.slow
def test_fifty_kills_of_the_group_the_sweep_or_a_worker_change_no_result(tmp_path, store):
    command = [sys.executable, "-m", "bench", *TINY, "seed=range(100)", "steps=60", "packing=1"]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    rng, kills, sweep = random.Random(0), 0, subprocess.Popen(command, **quiet)
    while kills < 50:
        if sweep.poll() is not None:
            if len(store.read(curves=False).rows) == 200:  # the machine was fast: half of it again
                for row in sorted(store.folder.glob("*.json"))[::2]:
                    row.unlink()
            sweep = subprocess.Popen(command, **quiet)
            time.sleep(rng.choice((rng.uniform(0, 4), 12)))  # at its beginning, too
        time.sleep(rng.uniform(0, 2))
        kills += killed(sweep, rng.choice(("group", "sweep", "worker")), rng)
    sweep.wait()
    subprocess.run(command, check=True, **quiet)
    whole = results(store)
    subprocess.run([*command, "results=undisturbed"], check=True, **quiet)
    assert whole == results(Store(tmp_path / "undisturbed", "mine"))
    assert len(whole) == 200


def killed(sweep, whom, rng):
    """Whether somebody was there to be killed."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(sweep.pid)], capture_output=True, text=True).stdout
    workers = [int(word) for word in listed.split()]
    if sweep.poll() is not None or (whom == "worker" and not workers):
        return False
    if whom == "worker":
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
        except ProcessLookupError:  # it ended since it was listed
            return False
    else:
        (os.killpg if whom == "group" else os.kill)(sweep.pid, signal.SIGKILL)
        sweep.wait()
    return True


def results(store):
    return {
        row.id: (row.status, row.curve, {name: value for name, value in row.measures.items() if name not in COSTS})
        for row in store.read().rows.values()
    }
