"""Hydra's door to our sweeper: plug-ins must live in this namespace; the work is in bench/commands and bench/runs.

In: Hydra's configuration and launcher. Out: an exit code, as SystemExit. Touches: nothing of its own.
"""

import os
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

from bench.runs.devices import gpus


class BenchSweeper(Sweeper):
    """Composes once per option, drops the runs that are done, and hands packs to whatever launcher is chosen."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.loader, self.master, self.launched = hydra_context.config_loader, config, 0
        self._one_process_per_gpu()
        self.chosen_launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out the command that was given: sweep, run, plan, why or verify."""
        name = str(self.master.hydra.job.config_name)
        room = import_module(f"bench.commands.{name if name in ('why', 'verify') else 'sweep'}")
        sys.exit(getattr(room, name)(self.compose, self.launch, self.settings()))

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
        launcher = self.master.hydra.launcher
        cores = os.cpu_count() or 1
        jobs = launcher.get("n_jobs") or 1
        processes = jobs if jobs > 0 else cores + 1 + jobs
        if launcher._target_.endswith("submitit_launcher.LocalLauncher"):  # starts all jobs that it is handed
            return settings | {"processes": cores, "jobs_at_once": cores}
        return settings | {"processes": processes, "jobs_at_once": None}

    def _one_process_per_gpu(self) -> None:
        """Where runs happen on GPUs, a launcher's `one process per core` is one per GPU instead."""
        launcher = self.master.hydra.launcher
        if launcher.get("n_jobs") == -1 and self.master.device in ("auto", "cuda") and gpus():
            with open_dict(launcher):
                launcher.n_jobs = gpus()


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="bench",
    node={"_target_": "hydra_plugins.bench_sweeper.BenchSweeper"},
    provider="bench",
)
