"""What the commands that measure share: each row is kept as soon as it is there.

In: settings, rows as they are measured. Out: rows. Touches: what bench/rows touches.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import hydra
from omegaconf import DictConfig

from bench.rows.store import Store
from bench.schema import Row


def keep(rows: Iterable[Row], settings: Mapping[str, Any]) -> list[Row]:
    """The rows, each written to the study's store before the next one is measured."""
    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    kept = []
    for row in rows:
        store.write(row)
        kept.append(row)
    return kept


def compose(overrides: list[str]) -> DictConfig:
    """The configuration of a single run with these overrides."""
    return hydra.compose("sweep", overrides=overrides)
