"""Jobs: what a launched process is handed at once.

In: runs, and what is expected of them. Out: jobs, and their text for Hydra's launcher. Touches: nothing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.runs.pack import Shape, by_shape
from bench.schema import Run

SHARES = 2  # a job is at most half of what is left for each process: what is expected is a guess


@dataclass(frozen=True)
class Expected:
    """What is expected of runs of one shape: seconds per run, if they train in packs of this many."""

    seconds: float
    packing: int
    graphed: bool = False  # with captured steps


@dataclass(frozen=True)
class Crew:
    """The processes that train: how many at once, and how many seconds of training each is handed at a time.

    One process says nothing of shares: what a cluster makes of the jobs, only the cluster knows.
    """

    processes: int
    job_seconds: float  # at least; 0 for one pack at a time

    @property
    def shares(self) -> bool:
        """Whether jobs may be longer, as long as much is left for each process."""
        return self.processes > 1 and self.job_seconds > 0


@dataclass(frozen=True)
class Job:
    """Runs of one shape that one of so many processes trains for a sweep, in packs of `packing`."""

    sweep: str
    runs: list[Run]
    packing: int = 1
    graphed: bool = False
    processes: int = 1

    def as_override(self) -> str:
        """The job as one override for a launched process: JSON in Hydra's quotes."""
        text = json.dumps(asdict(self))
        return "job='" + text.replace("'", "\\u0027").replace("$", "\\u0024") + "'"  # the two that Hydra would read


def from_text(text: str) -> Job:
    """A job as a launched process reads it."""
    read = json.loads(text)
    return Job(**read | {"runs": [Run(**fields) for fields in read["runs"]]})


def jobs(runs: Sequence[Run], expected: Mapping[Shape, Expected], crew: Crew, sweep: str) -> list[Job]:
    """The runs as jobs, the longest runs first.

    A job takes `job_seconds`, or a share of what is left where that is longer: to start a job takes half a second, so
    they are few, and the last ones are short, so that the processes end at about the same time.
    """
    alike = sorted(by_shape(runs).items(), key=lambda one: -expected[one[0]].seconds)
    left = sum(len(own) * expected[shape].seconds for shape, own in alike)
    most = math.ceil(len(runs) / crew.processes)  # runs: no process goes without as long as there are some
    least = min(crew.job_seconds, left / crew.processes)
    made = []
    for shape, own in alike:
        of, taken = expected[shape], 0
        while taken < len(own):
            fair = left / (SHARES * crew.processes) if crew.shares else 0.0
            size = min(most, _whole_packs(max(least, fair), of))
            job = Job(sweep, own[taken : taken + size], of.packing, of.graphed, crew.processes)
            made.append(job)
            taken += size
            left -= len(job.runs) * of.seconds
    return made


def _whole_packs(seconds: float, expected: Expected) -> int:
    """How many runs take about so many seconds, in whole packs."""
    return max(1, math.ceil(seconds / expected.seconds / expected.packing)) * expected.packing
