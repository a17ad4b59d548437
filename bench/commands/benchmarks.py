"""The commands that measure the suite itself: speed, throughput, coverage and scale.

In: settings. Out: text, and an exit code. Touches: the device, processes, and results/ through rows.
"""

import sys
from collections.abc import Iterable

import hydra
from omegaconf import DictConfig

from bench.benchmarks.coverage import CoverageSettings
from bench.benchmarks.scale.settings import ScaleSettings
from bench.benchmarks.speed.settings import SpeedSettings
from bench.benchmarks.throughput.settings import ThroughputSettings
from bench.commands.report import rendered, table
from bench.commands.shared import known_store
from bench.machine.settings import Settings
from bench.plan.plan import declared
from bench.rows.store import Store
from bench.schema import Row


def speed(settings: SpeedSettings) -> int:
    """Measure the engine next to a plain loop, and print the table."""
    from bench.benchmarks.speed.measure import measure

    print(rendered(keep(measure(compose, settings), settings), settings), end="")
    return 0


def throughput(settings: ThroughputSettings) -> int:
    """Measure how fast laws fill weights, and print the table; 1 when a library failed."""
    from bench.benchmarks.throughput.measure import measure

    rows, remarks = measure(settings)
    print(rendered(keep(rows, settings), settings), end="")
    for remark in remarks:
        print(remark, file=sys.stderr)
    return int(bool(remarks))


def coverage(settings: CoverageSettings) -> int:
    """Simulate every method, number of runs and shape of the settings, and print the table."""
    from bench.benchmarks.coverage import measure

    print(rendered(keep(measure(settings), settings), settings), end="")
    return 0


def scale(settings: ScaleSettings) -> int:
    """Measure the commands on a store of synthetic rows, and print the table of all rows of the study."""
    from bench.benchmarks.scale.measure import measure

    study = declared(compose([]))
    keep([measure(compose, study, settings.rows, settings.form, settings.study.name)], settings)
    print(table(known_store(settings), settings), end="")
    return 0


def keep(rows: Iterable[Row], settings: Settings) -> list[Row]:
    """The rows, each written to the study's store before the next one is measured."""
    store = Store(settings.results, settings.study.name)
    store.prepare()
    kept = []
    for row in rows:
        store.write(row)
        kept.append(row)
    return kept


def compose(overrides: list[str]) -> DictConfig:
    """The configuration of a single run with these overrides."""
    return hydra.compose("sweep", overrides=overrides)
