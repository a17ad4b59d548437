"""Jobs: the runs that a process gets at once.

In: runs, and what is expected of them. Out: jobs, and their text for Hydra's launcher. Touches: nothing.
"""

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from zlib import compress, decompress

from bench.plan.shape import Shape, by_shape
from bench.schema import Run

SHARES = 2  # a job is at most half of what is left for each process: what is expected is a guess
LONGEST = 6.0  # times job_seconds: a process that dies takes its job with it


@dataclass(frozen=True)
class Expected:
    """What is expected of the runs of one shape: the seconds of one run, when they train in packs of `packing`."""

    seconds: float
    packing: int
    graphed: bool = False  # with captured steps


@dataclass(frozen=True)
class Workers:
    """The processes that train: their number, and the seconds of training in one job."""

    processes: int
    job_seconds: float  # at least; 0 for one pack


@dataclass(frozen=True)
class Job:
    """Runs of one shape that one of `processes` processes trains for a sweep, in packs of `packing`."""

    sweep: str
    runs: list[Run]
    packing: int = 1
    graphed: bool = False
    processes: int = 1

    def as_override(self) -> str:
        """The job as one override for a launched process: compressed, since Hydra reads it letter by letter."""
        return f"job='{b64encode(compress(json.dumps(asdict(self)).encode())).decode()}'"


def from_text(text: str) -> Job:
    """A job as a launched process reads it."""
    read = json.loads(decompress(b64decode(text)))
    return Job(**read | {"runs": [Run(**fields) for fields in read["runs"]]})


def jobs(runs: Sequence[Run], expected: Mapping[Shape, Expected], workers: Workers, sweep: str) -> list[Job]:
    """The runs as jobs, those with the longest runs first.

    A job takes half a second to start, so jobs are long while much is left. The last ones are short, so that all
    processes end at about the same time.
    """
    shapes = sorted(by_shape(runs).items(), key=lambda item: -expected[item[0]].seconds)
    left = sum(len(alike) * expected[shape].seconds for shape, alike in shapes)
    least = min(workers.job_seconds, left / workers.processes)
    most = math.ceil(len(runs) / workers.processes)  # runs: no process goes without while there are some
    made = []
    for shape, alike in shapes:
        each, taken = expected[shape], 0
        while taken < len(alike):
            size = min(most, _whole_packs(max(least, _share(left, workers)), each))
            job = Job(sweep, alike[taken : taken + size], each.packing, each.graphed, workers.processes)
            made.append(job)
            taken += size
            left -= len(job.runs) * each.seconds
    return made


def _share(left: float, workers: Workers) -> float:
    """The share of the seconds left that one job may take; 0 where one process may stand for a cluster."""
    return min(left / (SHARES * workers.processes), LONGEST * workers.job_seconds) if workers.processes > 1 else 0.0


def _whole_packs(seconds: float, expected: Expected) -> int:
    """The number of runs that take about this long, in whole packs."""
    return max(1, math.ceil(seconds / expected.seconds / expected.packing)) * expected.packing
