"""The command `scale`: how long the commands take on a large store, and how much memory.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what the measurement touches.
"""

import hydra
from omegaconf import DictConfig

from bench.commands.settings import plain
from bench.rows.store import Store


def scale(config: DictConfig) -> int:
    """Measure the commands on a store of synthetic rows, keep the figures as a row, and print all there are."""
    from bench.benchmarks.scale.measure import measure
    from bench.benchmarks.scale.table import sheet
    from bench.plan.plan import typed
    from bench.report.terminal import render

    settings = plain(config)
    count = typed("rows", settings["rows"], 1)

    def compose(overrides: list[str]) -> DictConfig:
        return hydra.compose("sweep", overrides=overrides)

    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    store.write(measure(compose, compose([]).study, count, settings["form"], store.folder.name))
    print(render(sheet(store.read().rows.values()), settings["format"]))
    return 0
