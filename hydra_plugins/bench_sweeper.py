"""Hydra's door to our sweeper: plug-ins must live in this namespace; the work is in bench/commands and bench/runs.

In: Hydra's configuration and launcher. Out: an exit code, as SystemExit. Touches: nothing of its own.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class BenchSweeper(Sweeper):
    """Composes once per option, drops the runs that are done, and hands packs to whatever launcher is chosen."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.loader, self.master, self.launched = hydra_context.config_loader, config, 0
        self.chosen_launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out the command that was given: sweep, run or plan."""
        from bench.commands import sweep

        command = getattr(sweep, str(self.master.hydra.job.config_name))
        sys.exit(command(self.compose, self.launch, self.settings()))

    def compose(self, overrides: list[str]) -> DictConfig:
        """One configuration, as a single run of these overrides would have it."""
        return self.loader.load_sweep_config(self.master, overrides)

    def launch(self, packs: Sequence[str]) -> None:
        """Start one job per pack, each with the settings of this command, and wait for all of them.

        Raises what a job raised, and whatever the launcher raises when a process dies.
        """
        base = [word for word in self.master.hydra.overrides.task if not word.startswith("overrides=")]
        jobs = self.chosen_launcher.launch([[*base, pack] for pack in packs], initial_job_idx=self.launched)
        self.launched += len(packs)
        for job in jobs:
            if job.status is JobStatus.FAILED:
                raise job._return_value  # the public property would first print the whole pack

    def settings(self) -> dict[str, Any]:
        """What the command was told besides a run's choices, and how many processes the launcher uses."""
        from bench.commands.settings import plain

        settings = plain(OmegaConf.masked_copy(self.master, [str(key) for key in self.master if key != "hydra"]))
        jobs = OmegaConf.select(self.master, "hydra.launcher.n_jobs") or 1
        processes = jobs if jobs > 0 else (os.cpu_count() or 1) + 1 + jobs
        return settings | {"processes": processes}


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="bench",
    node={"_target_": "hydra_plugins.bench_sweeper.BenchSweeper"},
    provider="bench",
)
