"""How often each kind of interval covers the mean it is about, by simulation.

In: settings. Out: one row per method, number of runs and shape. Touches: nothing.
"""

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench import registry
from bench.machine import environment
from bench.report.statistics import wilson
from bench.report.statistics.intervals import METHODS, RESAMPLES
from bench.report.statistics.simulation import SHAPES
from bench.report.statistics.simulation import coverage as simulate
from bench.schema import OK, Row, Run, UserError

AXES = ("method", "n", "shape")


def measure(settings: Mapping[str, Any]) -> Iterator[Row]:
    """The rows, each as soon as it is simulated. All methods meet the same values, whatever the other settings.

    Raises UserError, before anything is simulated, for a name or a number that does not exist.
    """
    return _rows(checked(settings))


def _rows(settings: Mapping[str, Any]) -> Iterator[Row]:
    shared = {key: settings[key] for key in ("level", "simulations", "seed")}
    for method, n, shape in itertools.product(*(settings[key] for key in AXES)):
        choices = {"task": "coverage", "method": method, "n": n, "shape": shape, "resamples": RESAMPLES, **shared}
        generator = np.random.default_rng([settings["seed"], n, *shape.encode()])
        found = simulate(method, n, SHAPES[shape], settings["level"], settings["simulations"], generator)
        rate = wilson(found.covered, found.judged)
        measures = {
            "coverage": rate.value,
            "coverage_low": rate.low,
            "coverage_high": rate.high,
            "judged": found.judged,
            "mean_width": found.mean_width if np.isfinite(found.mean_width) else None,
            "median_width": found.median_width if np.isfinite(found.median_width) else None,
            "values": found.values,
        }
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        study = settings["study"]["name"]
        about = {**environment.describe(), "finished": finished}
        yield Row(Run(study, choices).id, study, OK, choices, measures, environment=about)


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, a single value as a list of one. Raises UserError for a name or a number that does not exist."""
    axes = {key: list(dict.fromkeys(_listed(settings[key]))) for key in AXES}
    for key, known in (("method", METHODS), ("shape", SHAPES)):
        for name in axes[key]:
            if name not in known:
                raise UserError(registry.unknown(key, str(name), known))
    for key in AXES:
        if not axes[key]:
            raise UserError(f"nothing is simulated: {key} is empty; leave it out for all there is")
    for key, least, values in (("n", 2, axes["n"]), ("simulations", 100, [settings["simulations"]])):
        if wrong := [one for one in values if type(one) is not int or one < least]:
            raise UserError(f"{key}={wrong[0]} cannot be simulated; give a whole number, at least {least}")
    if type(settings["seed"]) is not int or settings["seed"] < 0:
        raise UserError(f"seed={settings['seed']} is no seed; give a whole number from 0 on")
    if not (isinstance(settings["level"], float) and 0 < settings["level"] < 1):
        raise UserError(f"level={settings['level']} is not the level of an interval; for example level=0.95")
    return {**settings, **axes}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
