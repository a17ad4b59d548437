"""Hydra's launcher as a sweep uses it: how many processes it starts at once, and the start of jobs.

In: Hydra's configuration, jobs. Out: a number of processes, ended jobs. Touches: processes, through Hydra.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from omegaconf import DictConfig, open_dict

from bench.launch import shutdown
from bench.machine import environment
from bench.machine.settings import PlannedSettings
from bench.schema import AUTO, UserError

Configuration = Mapping[str, Any]  # of hydra.launcher
AnySettings = TypeVar("AnySettings", bound=PlannedSettings)


class Launcher:
    """Starts jobs in processes by the launcher that `hydra/launcher` names."""

    def __init__(self, context: Any, task_function: Any, config: DictConfig) -> None:
        self.context, self.task_function, self.config = context, task_function, config
        self.launched = 0  # jobs so far
        self.queues = not ("n_jobs" in config.hydra.launcher or in_this_process(config.hydra.launcher))
        self.plugin: Any = None

    def __call__(self, jobs: Sequence[str], processes: int) -> None:
        """Start these jobs, at most `processes` at once, with the settings of this command; wait for all of them.

        Raises what a job raised, and what Hydra's launcher raises when a process dies.
        """
        at_once = processes if starts_all(self.config.hydra.launcher) else max(1, len(jobs))
        for first in range(0, len(jobs), at_once):
            self._launch(jobs[first : first + at_once], processes)

    def _launch(self, jobs: Sequence[str], processes: int) -> None:
        from hydra.core.utils import JobStatus

        self.plugin = self.plugin or self._instantiate(processes)
        settings = [word for word in self.config.hydra.overrides.task if not word.startswith("overrides=")]
        returned = self.plugin.launch([[*settings, job] for job in jobs], initial_job_idx=self.launched)
        self.launched += len(jobs)
        for job in returned:
            if job.status is JobStatus.FAILED:
                raise job._return_value  # the public property would print the whole job first

    def _instantiate(self, processes: int) -> Any:
        from hydra.core.plugins import Plugins
        from joblib.externals.loky.backend import resource_tracker as loky_resource_tracker

        if "n_jobs" in self.config.hydra.launcher:
            with open_dict(self.config.hydra.launcher):
                self.config.hydra.launcher.n_jobs = processes
            shutdown.deaf(loky_resource_tracker.ensure_running)
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task_function, config=self.config
        )


def as_launched(settings: AnySettings, launcher: Configuration) -> AnySettings:
    """The settings with the number of processes that the launcher can start; `auto` where that is to be measured."""
    processes = processes_of(settings.processes, launcher)
    if starts_all(launcher):  # starting a process takes long there: few jobs, each of them long
        return replace(settings, processes=processes, job_seconds=float(sys.maxsize))
    return replace(settings, processes=processes)


def processes_of(setting: int | str, launcher: Configuration) -> Any:
    """How many processes the launcher starts at once, by `processes` or its own `n_jobs`; auto: to be measured.

    1 for a launcher without `n_jobs`: it works in this process, or a cluster decides. Raises UserError for n_jobs=0.
    """
    if starts_all(launcher):
        return environment.usable_cores() if setting == AUTO else setting
    if "n_jobs" not in launcher:
        return 1
    jobs: int | str = launcher["n_jobs"] if setting == AUTO else setting
    if not isinstance(jobs, int) or jobs == -1:
        return AUTO
    if jobs == 0:
        raise UserError("hydra.launcher.n_jobs takes a number of processes, or -1 for one per core, not 0")
    return jobs if jobs > 0 else max(1, environment.usable_cores() + 1 + jobs)  # as joblib counts: -2, all but one


def in_this_process(launcher: Configuration) -> bool:
    """Whether the launcher does its jobs in the process of the sweep."""
    return str(launcher["_target_"]).endswith("basic_launcher.BasicLauncher")


def starts_all(launcher: Configuration) -> bool:
    """Whether the launcher starts all its jobs at once, each in an interpreter of its own."""
    return str(launcher["_target_"]).endswith("submitit_launcher.LocalLauncher")
