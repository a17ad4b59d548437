"""The command `coverage`: how often each kind of interval covers, by simulation.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/rows touches.
"""

from omegaconf import DictConfig

from bench.commands.benchmark import keep
from bench.commands.report import rendered
from bench.commands.settings import plain


def coverage(config: DictConfig) -> int:
    """Simulate every method, number of runs and shape of the settings, and print the table."""
    from bench.benchmarks.coverage import measure

    settings = plain(config)
    print(rendered(keep(measure(settings), settings), settings))
    return 0
