"""Sweeps in this process, and in forked ones that may be killed: a fork is there in milliseconds, with torch loaded."""

import os
import signal
import sys
import traceback

import pytest
from omegaconf import OmegaConf

from bench.rows.store import Store
from bench.runs import drain, stop
from bench.runs import perform as performing
from bench.runs.plan import Plan
from bench.runs.sweep import sweep


@pytest.fixture
def settings(tmp_path):
    machine = {"device": "cpu", "threads": 1, "data": "data", "download": False, "checkpoint": {"every": None}}
    trouble = {"attempts": 3, "retry": None, "timeout": None, "claim_expiry": 10.0}
    return machine | trouble | {"results": str(tmp_path), "tracking": {"name": "off"}, "packing": 2}


@pytest.fixture
def swept(settings):
    """Sweep these runs, and return the sizes of the launches that it took."""

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
    monkeypatch.setattr(drain, "_attended", set())
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Launcher:
    """Performs packs in this process, as Hydra's basic launcher does; `deaths` says which launches die at once."""

    def __init__(self, settings, deaths=()):
        self.settings, self.deaths, self.launches = settings, deaths, []

    def __call__(self, packs):
        self.launches.append(len(packs))
        if len(self.launches) in self.deaths:
            raise ChildProcessError("killed")
        for pack in packs:
            self.perform(pack)

    def perform(self, pack):
        text = pack.removeprefix("pack='").removesuffix("'")
        performing.perform(OmegaConf.create({**self.settings, "pack": text}))


class ForkingLauncher(Launcher):
    """Performs each pack in a process of its own; when one dies, the packs after it are lost, as with joblib."""

    def perform(self, pack):
        if wait(fork(super().perform, pack)):
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
