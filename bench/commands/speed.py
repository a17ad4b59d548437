"""The command `speed`: how fast the training engine is.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/runs/speed touches.
"""

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig

from bench import registry
from bench.commands.settings import plain
from bench.rows.store import Store
from bench.schema import UserError


def speed(config: DictConfig) -> int:
    """Measure the engine next to a plain loop, keep each row as soon as it is there, and print the table."""
    from bench.report.speed import render
    from bench.runs.speed.measure import measure

    settings = plain(config)
    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    rows = []
    try:
        for row in measure(compose, settings):
            store.write(row)
            rows.append(row)
    except HydraException as mistake:  # of what is composed here, in a work or a sweep
        raise UserError(in_words(mistake)) from mistake
    print(render(rows, settings["format"]))
    return 0


def compose(overrides: list[str]) -> DictConfig:
    """One configuration, as a single run of these overrides would have it."""
    return hydra.compose("sweep", overrides=overrides)


def in_words(mistake: HydraException) -> str:
    """Hydra's error as a sentence that names what there is instead."""
    if isinstance(mistake, MissingConfigException) and mistake.options:
        word, _, name = (mistake.missing_cfg_file or "").rpartition("/")
        return registry.unknown(word, name, mistake.options)
    return f"work and sweep take key=value ({str(mistake).partition(chr(10))[0]})"
