"""How often each kind of interval covers the true mean, by simulation.

In: settings. Out: one row per method, number of runs and shape. Touches: nothing.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

import numpy as np

from bench.bounds import Bound, Natural
from bench.machine import environment
from bench.machine.settings import Settings, list_of
from bench.report.statistics import wilson
from bench.report.statistics.intervals import METHODS, RESAMPLES
from bench.report.statistics.simulation import SHAPES
from bench.report.statistics.simulation import coverage as simulate
from bench.schema import OK, Row, Run, UserError

Method = Literal[*METHODS]  # type: ignore[valid-type]
Shape = Literal[*SHAPES]  # type: ignore[valid-type]
Runs = Annotated[int, Bound(least=2)]  # of one run there is no interval


@dataclass(frozen=True, kw_only=True)
class CoverageSettings(Settings):
    """Every method is simulated at every number of runs `n` of every shape."""

    method: list[str] = field(metadata=list_of(Method))
    n: list[int] = field(metadata=list_of(Runs))
    shape: list[str] = field(metadata=list_of(Shape))
    level: Annotated[float, Bound(above=0, below=1)]
    simulations: Annotated[int, Bound(least=100)]  # arms per case
    seed: Natural


def measure(settings: CoverageSettings) -> Iterator[Row]:
    """The rows, each as soon as it is simulated. All methods meet the same values, whatever the other settings.

    Raises UserError where a list is empty.
    """
    for key, values in (("method", settings.method), ("n", settings.n), ("shape", settings.shape)):
        if not values:
            raise UserError(f"nothing is simulated: {key} is empty; leave it out for all there is")
    shared = {"level": settings.level, "simulations": settings.simulations, "seed": settings.seed}
    for method, n, shape in itertools.product(settings.method, settings.n, settings.shape):
        choices = {"task": "coverage", "method": method, "n": n, "shape": shape, "resamples": RESAMPLES, **shared}
        generator = np.random.default_rng([settings.seed, n, *shape.encode()])
        result = simulate(method, n, SHAPES[shape], settings.level, settings.simulations, generator)
        rate = wilson(result.covered, result.judged)
        measures = {
            "coverage": rate.value,
            "coverage_low": rate.low,
            "coverage_high": rate.high,
            "judged": result.judged,
            "mean_width": result.mean_width if np.isfinite(result.mean_width) else None,
            "median_width": result.median_width if np.isfinite(result.median_width) else None,
            "values": result.values,
        }
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        study = settings.study.name
        about = {**environment.describe(), "finished": finished}
        yield Row(Run(study, choices).id, study, OK, choices, measures, environment=about)
