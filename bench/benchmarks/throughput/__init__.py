"""The speed at which a law fills weights, next to other libraries: `python -m bench throughput`.

In: settings. Out: one row per law and target. Touches: the device, and a temporary folder for pytest-benchmark.
"""
