"""The command `scale`: how long the commands take on a large store, and how much memory.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what the measurement touches.
"""

from omegaconf import DictConfig

from bench.commands.benchmark import compose, keep
from bench.commands.report import table
from bench.commands.settings import known_store, plain


def scale(config: DictConfig) -> int:
    """Measure the commands on a store of synthetic rows, and print the table of all there are."""
    from bench.benchmarks.scale.measure import measure
    from bench.plan.plan import typed

    settings = plain(config)
    count = typed("rows", settings["rows"], 1)
    keep([measure(compose, compose([]).study, count, settings["form"], settings["study"]["name"])], settings)
    print(table(known_store(settings), settings))
    return 0
