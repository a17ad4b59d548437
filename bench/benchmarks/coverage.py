"""How often each kind of interval covers the true mean, by simulation.

In: settings. Out: one row per method, number of runs and shape. Touches: nothing.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from bench.benchmarks.row import row_of
from bench.benchmarks.settings import CoverageSettings
from bench.report.statistics import wilson
from bench.report.statistics.intervals import RESAMPLES
from bench.report.statistics.simulation import SHAPES
from bench.report.statistics.simulation import coverage as simulate
from bench.schema import Row, UserError


def measure(settings: CoverageSettings) -> Iterator[Row]:
    """The rows, each as soon as it is simulated. All methods meet the same values, whatever the other settings.

    Raises UserError where a list is empty.
    """
    for key, values in (("method", settings.method), ("n", settings.n), ("shape", settings.shape)):
        if not values:
            raise UserError(f"nothing is simulated: {key} is empty; leave it out for all there is")
    shared = {"level": settings.level, "simulations": settings.simulations, "seed": settings.seed}
    for method, n, shape in itertools.product(settings.method, settings.n, settings.shape):
        choices = {"method": method, "n": n, "shape": shape, "resamples": RESAMPLES, **shared}
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
        yield row_of("coverage", settings.study.name, choices, measures)
