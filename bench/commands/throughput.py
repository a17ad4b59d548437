"""The command `throughput`: how fast laws fill weights.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what the measurement touches.
"""

import sys

from omegaconf import DictConfig

from bench.commands.settings import plain
from bench.rows.store import Store


def throughput(config: DictConfig) -> int:
    """Measure how fast laws fill weights, keep one row per case, and print the table; 1 when a library failed."""
    from bench.benchmarks.throughput.measure import measure
    from bench.benchmarks.throughput.table import sheet
    from bench.report.terminal import render

    settings = plain(config)
    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    rows, remarks = measure(settings)
    for row in rows:
        store.write(row)
    print(render(sheet(rows), settings["format"]))
    for remark in remarks:
        print(remark, file=sys.stderr)
    return int(bool(remarks))
