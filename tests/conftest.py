from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from bench import catalogue
from bench.machine.settings import Settings, Study
from bench.plan.plan import plan
from bench.schema import Machine, Run


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
def runs_of(compose: Callable[[list[str]], DictConfig]) -> Callable[..., list[Run]]:
    """The runs that a command line asks for, in a study of the user's own."""

    def runs(*overrides: str, skip: tuple[dict[str, Any], ...] = (), **study: Any) -> list[Run]:
        declared = declared_study() | {"skip": list(skip)} | study
        return plan(compose, Study.read(declared), overrides).runs

    return runs


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
