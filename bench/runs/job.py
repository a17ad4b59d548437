"""Jobs: what a launched process is handed at once.

In: runs, and what is expected of them. Out: jobs, and their text for Hydra's launcher. Touches: nothing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.runs.pack import Shape, by_shape, packs
from bench.schema import Run


@dataclass(frozen=True)
class Expected:
    """What is expected of runs of one shape: seconds per run, if they train in packs of this many."""

    seconds: float
    packing: int
    graphed: bool = False  # with captured steps


@dataclass(frozen=True)
class Crew:
    """The processes that train: how many at once, and how many seconds of training each is handed at a time."""

    processes: int
    job_seconds: float


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
    """The runs as jobs of about `job_seconds`, the longest first, so that the processes end at about the same time."""
    sized = [
        (len(own) * of.seconds, Job(sweep, own, of.packing, of.graphed, crew.processes))
        for shape, alike in by_shape(runs).items()
        for of in [expected[shape]]
        for own in packs(alike, _size(len(alike), of, crew))
    ]
    return [job for _, job in sorted(sized, key=lambda one: -one[0])]


def _size(count: int, expected: Expected, crew: Crew) -> int:
    """Runs per job: whole packs that take about `job_seconds`, but so few that no process goes without."""
    full = max(1, math.ceil(crew.job_seconds / expected.seconds / expected.packing)) * expected.packing
    return min(full, math.ceil(count / crew.processes))
