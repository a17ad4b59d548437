"""The command `report`: what a study's rows say.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: nothing; rows are read.
"""

import sys
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from bench.commands.settings import known_store, plain
from bench.rows.store import Store


def report(config: DictConfig) -> int:
    """Print the table of a study's rows and what it says."""
    settings = plain(config)
    print(table(known_store(settings), settings))
    return 0


def table(store: Store, settings: Mapping[str, Any]) -> str:
    """The report of a store's rows in the format asked for; remarks about the rows go to standard error."""
    from bench.report import summarize, throughput
    from bench.report.render import render

    reading = store.read()
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    if reading.rows and all(row.choices.get("task") == "throughput" for row in reading.rows.values()):
        return throughput.render(reading.rows.values(), settings["format"])
    return render(
        summarize(reading.rows.values(), settings["margin"], settings["study"]["question"]), settings["format"]
    )
