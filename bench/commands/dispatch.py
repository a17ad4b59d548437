"""Calls the function of a command with its settings, read from what Hydra composed.

In: the name of a command, Hydra's configuration. Out: an exit code. Touches: what the command touches.
"""

import typing
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from bench.commands import COMMANDS
from bench.commands.errors import one_value
from bench.launch.launcher import Launcher, as_launched
from bench.machine.settings import Settings
from bench.schema import UserError


def carry_out(command: str, config: DictConfig) -> int:
    """Carry out a command that plans no runs."""
    function = COMMANDS[command].load()
    return function(settings_of(function, config))


def carry_out_planned(config: DictConfig, loader: Any, launcher: Launcher) -> int:
    """Carry out the planned command that Hydra was started for."""

    def compose(overrides: list[str]) -> DictConfig:
        """One configuration, as a single run of these overrides has it."""
        composed: DictConfig = loader.load_sweep_config(config, overrides)
        return composed

    HydraConfig.instance().set_config(deepcopy(config))  # else Hydra sets it only for the jobs of a launcher
    command = str(config.hydra.job.config_name)
    refuse_several(command, config.hydra.overrides.task)
    function = COMMANDS[command].load()
    settings = as_launched(settings_of(function, config), config.hydra.launcher)
    return function(compose, launcher, settings)


def refuse_several(command: str, words: Sequence[str]) -> None:
    """Raise UserError for a setting with several values: Hydra composes the configuration of a sweep without it."""
    for one in OverridesParser.create().parse_overrides([*words]):
        if one.is_sweep_override():
            raise UserError(one_value(command, one.key_or_group))


def train_job(config: DictConfig) -> None:
    """What Hydra's launcher calls for each job of a planned command; torch is imported in the process that trains."""
    from bench.launch.worker import work

    work(config)


def settings_of(function: Callable[..., int], config: DictConfig) -> Any:
    """The settings that a function takes. Raises UserError for a value that they cannot have."""
    kind: type[Settings] = typing.get_type_hints(function, include_extras=True)["settings"]
    keys = [str(key) for key in config if key != "hydra"]  # much of which can only be resolved by Hydra itself
    composed: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)
    return kind.read(composed)
