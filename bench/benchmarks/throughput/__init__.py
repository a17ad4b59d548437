"""How fast a law fills weights, next to the libraries that people use: `python -m bench throughput`.

In: settings. Out: one row per law and target. Touches: the device, and a temporary folder for pytest-benchmark.
"""
