"""What Hydra's launcher can do: how many processes it starts at once.

In: what was asked for, the launcher's configuration. Out: a number. Touches: nothing; the machine is asked.
"""

from collections.abc import Mapping
from typing import Any

from bench.machine import environment
from bench.schema import AUTO

Configuration = Mapping[str, Any]


def processes_of(asked: int | str, launcher: Configuration) -> int | str:
    """How many processes go on at once, as `processes` or the launcher says; auto where that is left to be measured.

    1 of a launcher that does not tell: it works in this process, or some cluster decides.
    """
    if starts_all(launcher):
        return environment.usable_cores() if asked == AUTO else asked
    if "n_jobs" not in launcher:
        return 1
    jobs: int | str = launcher["n_jobs"] if asked == AUTO else asked
    if not isinstance(jobs, int) or jobs == -1:
        return AUTO
    return jobs if jobs > 0 else max(1, environment.usable_cores() + 1 + jobs)  # as joblib counts: -2, all but one


def starts_all(launcher: Configuration) -> bool:
    """Whether it starts all jobs that it is handed at once, each in an interpreter of its own."""
    return str(launcher["_target_"]).endswith("submitit_launcher.LocalLauncher")
