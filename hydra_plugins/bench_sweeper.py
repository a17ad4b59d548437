"""Hydra's door to our sweeper: plug-ins must live in this namespace; the work is in bench/commands.

In: Hydra's configuration and launcher. Out: an exit code, as SystemExit. Touches: nothing of its own.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from bench.launch.launcher import processes_of, starts_all


class BenchSweeper(Sweeper):
    """Composes once per option, drops the runs that are done, and hands packs to whatever launcher is chosen."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.context, self.loader, self.master = hydra_context, hydra_context.config_loader, config
        self.task_function, self.launched = task_function, 0
        self.chosen_launcher: Any = None

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out the command that was given: sweep, run, plan, why or verify."""
        name = str(self.master.hydra.job.config_name)
        room = import_module(f"bench.commands.{name if name in ('why', 'verify') else 'sweep'}")
        sys.exit(getattr(room, name)(self.compose, self.launch, self.settings()))

    def compose(self, overrides: list[str]) -> DictConfig:
        """One configuration, as a single run of these overrides would have it."""
        return self.loader.load_sweep_config(self.master, overrides)

    def launch(self, jobs: Sequence[str], processes: int) -> None:
        """Start these jobs, each with the settings of this command, so many at once, and wait for all of them.

        Raises what a job raised, and whatever the launcher raises when a process dies.
        """
        if self.chosen_launcher is None:
            self.chosen_launcher = self._launcher(processes)
        base = [word for word in self.master.hydra.overrides.task if not word.startswith("overrides=")]
        done = self.chosen_launcher.launch([[*base, job] for job in jobs], initial_job_idx=self.launched)
        self.launched += len(jobs)
        for job in done:
            if job.status is JobStatus.FAILED:
                raise job._return_value  # the public property would first print all that it was handed

    def settings(self) -> dict[str, Any]:
        """What the command was told besides a run's choices, and how many processes the launcher can start."""
        from bench.commands.settings import plain

        settings = plain(OmegaConf.masked_copy(self.master, [str(key) for key in self.master if key != "hydra"]))
        processes = processes_of(settings["processes"], self.master.hydra.launcher)
        if starts_all(self.master.hydra.launcher):  # few and long jobs, then
            return settings | {"processes": processes, "jobs_at_once": processes, "job_seconds": sys.maxsize}
        return settings | {"processes": processes}

    def _launcher(self, processes: int) -> Any:
        launcher = self.master.hydra.launcher
        if "n_jobs" in launcher:
            with open_dict(launcher):
                launcher.n_jobs = processes
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task_function, config=self.master
        )


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="bench",
    node={"_target_": "hydra_plugins.bench_sweeper.BenchSweeper"},
    provider="bench",
)
