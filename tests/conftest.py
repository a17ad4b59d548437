import logging
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from bench import __main__ as door
from bench import catalogue
from bench.launch import shutdown
from bench.machine.settings import Settings, Study
from bench.plan.plan import Plan, plan
from bench.schema import Machine, Run
from bench.train import stop


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """As every sweep has it: tiny models gain nothing from a second, and two test processes fight over it."""
    torch.set_num_threads(1)


@pytest.fixture
def compose() -> Iterator[Callable[[list[str]], DictConfig]]:
    """What Hydra's sweeper hands to the planner: overrides -> one composed configuration."""
    with initialize_config_dir(str(catalogue.CONF), version_base="1.3"):
        yield lambda overrides: hydra_compose("sweep", overrides=overrides)


@pytest.fixture
def plan_of(compose: Callable[[list[str]], DictConfig]) -> Callable[..., Plan]:
    """The plan of a command line, in a study of the user's own."""

    def planned(*overrides: str, skip: tuple[dict[str, Any], ...] = (), **study: Any) -> Plan:
        declared = declared_study() | {"skip": list(skip)} | study
        return plan(compose, Study.read(declared), overrides)

    return planned


@pytest.fixture
def runs_of(plan_of: Callable[..., Plan]) -> Callable[..., list[Run]]:
    """The runs that a command line asks for, in a study of the user's own."""
    return lambda *overrides, **study: plan_of(*overrides, **study).runs


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module of the user's own into a folder that Python looks into; returns its name, which no other has."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"own_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine("cpu", 1, tmp_path_factory.mktemp("data"), download=False)


def declared_study() -> dict[str, Any]:
    """What conf/ declares of a study of the user's own, which is called mine."""
    shared = catalogue.load(catalogue.CONF / "settings.yaml")["study"]
    return shared | catalogue.options("study")["own"] | {"name": "mine"}


@pytest.fixture
def configuration(tmp_path: Path) -> dict[str, Any]:
    """What Hydra composes of conf/settings.yaml, for a study of the user's own in an empty folder and one process."""
    defaults = catalogue.load(catalogue.CONF / "settings.yaml")
    own = {"study": declared_study(), "tracking": catalogue.options("tracking")["wandb"] | {"name": "off"}}
    here = {"results": str(tmp_path), "cache": str(tmp_path), "device": "cpu", "attempts": 3}
    return defaults | own | here | {"packing": 1, "processes": 1, "job_seconds": 1e9}


@pytest.fixture
def settings(configuration: dict[str, Any]) -> Settings:
    return Settings.read(configuration)


@pytest.fixture
def own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signal handlers, requests to stop and followed sweeps as they were before, once a test is over."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    monkeypatch.setattr(stop, "_received", [])
    monkeypatch.setattr(shutdown, "_followed", set())
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """The handlers of the root logger as they were before, once a test is over: Hydra's `--info` adds one."""
    root = logging.getLogger()
    before, level = {*root.handlers}, root.level
    yield
    for handler in {*root.handlers} - before:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def bench(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_signals: None,
    own_logging: None,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., CompletedProcess[str]]:
    """Run one command in an empty folder, on a terminal of 100 columns, in this process, which has imported torch.

    A traceback, another exit code and any new file outside results/ are errors.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as `main` leaves it
    monkeypatch.setattr(sys, "argv", sys.argv)

    def bench(*arguments: str, code: int = 0) -> CompletedProcess[str]:
        before = {*tmp_path.iterdir()}
        capfd.readouterr()
        returned = door.main(arguments)
        printed = capfd.readouterr()
        assert returned == code, printed.out + printed.err
        assert "Traceback" not in printed.err
        assert {*tmp_path.iterdir()} <= before | {tmp_path / "results"}
        return CompletedProcess(arguments, returned, printed.out, printed.err)

    return bench
