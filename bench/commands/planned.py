"""The commands that plan runs: sweep, run, plan, why and verify. Hydra reaches them through hydra_plugins/.

In: Hydra's configuration, its loader, a launcher. Out: an exit code. Touches: what the command touches.
"""

import typing
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bench import catalogue
from bench.launch.launcher import Launcher, as_launched


def carry_out(config: DictConfig, loader: Any, launcher: Launcher) -> int:
    """Carry out the command that Hydra was started for."""
    name = str(config.hydra.job.config_name)
    room = import_module(f"bench.commands.{name if name in ('why', 'verify') else 'sweep'}")
    function = getattr(room, name)
    own = set(catalogue.load(catalogue.CONF / f"{name}.yaml")) - catalogue.settings()

    def compose(overrides: list[str]) -> DictConfig:
        """One configuration, as a single run of these overrides has it: without the keys of the command itself."""
        composed = loader.load_sweep_config(config, overrides)
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in own])

    kind = typing.get_type_hints(function, include_extras=True)["settings"]
    said: Any = OmegaConf.to_container(
        OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]), resolve=True
    )
    settings = as_launched(kind.read(said), config.hydra.launcher)
    return int(function(compose, launcher, settings))
