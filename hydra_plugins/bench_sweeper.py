"""Hydra's door to the planned commands: Hydra looks for sweepers in this namespace alone.

In: Hydra's configuration and launcher. Out: an exit code, as SystemExit. Touches: nothing of its own.
"""

import sys
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper

from bench.commands.dispatch import carry_out_planned
from bench.launch.launcher import Launcher


class BenchSweeper(Sweeper):
    """Hands what Hydra composed to the command that was given: sweep, run, plan, why or verify."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Called by Hydra before `sweep`."""
        self.composed, self.loader = config, hydra_context.config_loader
        self.starts = Launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out the command."""
        sys.exit(carry_out_planned(self.composed, self.loader, self.starts))


TARGET = {"_target_": f"{__name__}.BenchSweeper"}
ConfigStore.instance().store(group="hydra/sweeper", name="bench", node=TARGET, provider="bench")
