"""The command `speed`: how fast the training engine is.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/benchmarks/speed touches.
"""

import hydra
from omegaconf import DictConfig

from bench.commands.settings import plain
from bench.rows.store import Store


def speed(config: DictConfig) -> int:
    """Measure the engine next to a plain loop, keep each row as soon as it is there, and print the table."""
    from bench.benchmarks.speed.measure import measure
    from bench.benchmarks.speed.table import sheet
    from bench.report.terminal import render

    settings = plain(config)
    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    rows = []
    for row in measure(compose, settings):
        store.write(row)
        rows.append(row)
    print(render(sheet(rows), settings["format"]))
    return 0


def compose(overrides: list[str]) -> DictConfig:
    """One configuration, as a single run of these overrides would have it."""
    return hydra.compose("sweep", overrides=overrides)
