"""The one benchmark that pytest collects: a fill, timed in calibrated rounds after a warm-up.

In: a measurement, from measure.Plugin. Out: the results of pytest-benchmark. Touches: the target.
"""

from typing import Any


def test_fill(benchmark: Any, measurement: Any) -> None:
    """Time the fill of one library, after a first call in which a library may compile."""
    if measurement.block == 0:
        measurement.fill()
    benchmark.extra_info.update(measurement.label())
    benchmark(measurement.fill)
