"""The one benchmark that pytest collects: a fill, timed in calibrated rounds after a warm-up.

In: a measurement, handed in by measure.Plan. Out: what pytest-benchmark makes of it. Touches: the target.
"""

from typing import Any


def test_fill(benchmark: Any, measurement: Any) -> None:
    """Time one library's fill, after what a library compiles at its first call is compiled."""
    if measurement.block == 0:
        measurement.fill()
    benchmark.extra_info.update(measurement.label())
    benchmark(measurement.fill)
