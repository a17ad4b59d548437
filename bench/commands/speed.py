"""The command `speed`: how fast the training engine is.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/benchmarks/speed touches.
"""

from omegaconf import DictConfig

from bench.commands.benchmark import compose, keep
from bench.commands.report import rendered
from bench.commands.settings import plain


def speed(config: DictConfig) -> int:
    """Measure the engine next to a plain loop, and print the table."""
    from bench.benchmarks.speed.measure import measure

    settings = plain(config)
    print(rendered(keep(measure(compose, settings), settings), settings))
    return 0
