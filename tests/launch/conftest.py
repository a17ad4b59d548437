"""Sweeps in this process, and in forked ones that may be killed: a fork is there in milliseconds, with torch loaded."""

import os
import sys
import traceback

import pytest
from omegaconf import OmegaConf

from bench.launch import worker
from bench.launch.sweep import sweep
from bench.machine.settings import Settings
from bench.plan.plan import Plan
from bench.rows.store import Store
from bench.train.task.train import Train


@pytest.fixture
def swept(configuration):
    """Sweep these runs, and return how many jobs each launch had."""

    def swept(runs, deaths=(), launcher=Launcher, **changes):
        changed = configuration | changes
        launch = launcher(changed, deaths)
        sweep(Plan("mine", runs, skipped=0), Store(changed["results"], "mine"), launch, Settings.read(changed))
        return launch.launches

    return swept


@pytest.fixture
def performing(monkeypatch):
    """Let a task do this before it does its runs."""

    def performing(before):
        perform = Train.perform

        def changed(self, runs, machine):
            before(runs)
            return perform(self, runs, machine)

        monkeypatch.setattr(Train, "perform", changed)

    return performing


class Launcher:
    """Does jobs in this process, as Hydra's basic launcher does; `deaths` says which launches die at once."""

    queues = False

    def __init__(self, configuration, deaths=()):
        self.configuration, self.deaths, self.launches = configuration, deaths, []

    def __call__(self, jobs, processes):
        self.launches.append(len(jobs))
        if len(self.launches) in self.deaths:
            raise ChildProcessError("killed")
        for job in jobs:
            self.do(job)

    def do(self, job):
        text = job.removeprefix("job='").removesuffix("'")
        worker.work(OmegaConf.create({**self.configuration, "job": text}))


class ForkingLauncher(Launcher):
    """Does each job in a process of its own; when one dies, the jobs after it are lost, as with joblib."""

    def do(self, job):
        if wait(fork(super().do, job)):
            raise ChildProcessError("a worker was killed")


@pytest.fixture
def launcher():
    return Launcher


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
