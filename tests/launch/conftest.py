"""Sweeps in this process, and in forked ones that may be killed: a fork is there in milliseconds, with torch loaded."""

import os
import signal
import sys
import traceback

import pytest
from omegaconf import OmegaConf

from bench.launch import shutdown
from bench.launch import worker as performing
from bench.launch.sweep import sweep
from bench.plan.plan import Plan
from bench.rows.store import Store
from bench.train import stop


@pytest.fixture
def settings(tmp_path):
    machine = {"device": "cpu", "threads": 1, "data": "data", "download": False, "checkpoint": {"every": None}}
    speed = {
        "packing": 1,
        "processes": 1,
        "job_seconds": 1e9,
        "graph": "auto",
        "compile": False,
        "cache": str(tmp_path),
    }
    trouble = {"attempts": 3, "retry": None, "timeout": None, "claim_expiry": 10.0}
    return machine | speed | trouble | {"results": str(tmp_path), "tracking": {"name": "off"}}


@pytest.fixture
def swept(settings):
    """Sweep these runs, and return how many jobs each launch had."""

    def swept(runs, deaths=(), launcher=Launcher, **changes):
        wished = settings | changes
        launch = launcher(wished, deaths)
        sweep(Plan("mine", runs, skipped=0), Store(wished["results"], "mine"), launch, wished)
        return launch.launches

    return swept


@pytest.fixture
def own_signals(monkeypatch):
    """Handlers, wishes and sweeps as they were before, once a test is over."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    monkeypatch.setattr(stop, "_heard", [])
    monkeypatch.setattr(shutdown, "_attended", set())
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Launcher:
    """Performs jobs in this process, as Hydra's basic launcher does; `deaths` says which launches die at once."""

    def __init__(self, settings, deaths=()):
        self.settings, self.deaths, self.launches = settings, deaths, []

    def __call__(self, jobs, processes):
        self.launches.append(len(jobs))
        if len(self.launches) in self.deaths:
            raise ChildProcessError("killed")
        for job in jobs:
            self.perform(job)

    def perform(self, job):
        text = job.removeprefix("job='").removesuffix("'")
        performing.perform(OmegaConf.create({**self.settings, "job": text}))


class ForkingLauncher(Launcher):
    """Performs each job in a process of its own; when one dies, the jobs after it are lost, as with joblib."""

    def perform(self, job):
        if wait(fork(super().perform, job)):
            raise ChildProcessError("a worker was killed")


@pytest.fixture
def forking():
    return ForkingLauncher


@pytest.fixture
def forked():
    """Start a function in a forked process; its id."""
    return fork


@pytest.fixture
def ended():
    """Wait for a forked process; its exit code, negative for a signal."""
    return wait


def fork(function, *arguments):
    if pid := os.fork():
        return pid
    code = 1
    try:
        function(*arguments)
        code = 0
    except BaseException as raised:
        traceback.print_exception(raised, file=sys.stderr)
        code = 130 if isinstance(raised, KeyboardInterrupt) else 1
    finally:
        os._exit(code)


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
