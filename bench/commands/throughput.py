"""The command `throughput`: how fast laws fill weights.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what the measurement touches.
"""

import sys

from omegaconf import DictConfig

from bench.commands.benchmark import keep
from bench.commands.report import rendered
from bench.commands.settings import plain


def throughput(config: DictConfig) -> int:
    """Measure how fast laws fill weights, and print the table; 1 when a library failed."""
    from bench.benchmarks.throughput.measure import measure

    settings = plain(config)
    rows, remarks = measure(settings)
    print(rendered(keep(rows, settings), settings))
    for remark in remarks:
        print(remark, file=sys.stderr)
    return int(bool(remarks))
