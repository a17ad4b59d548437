"""The commands that measure the suite itself: speed, throughput, coverage, error rates and scale.

In: settings. Out: text, and an exit code. Touches: the device, processes, and results/ through rows.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import hydra
from omegaconf import DictConfig

from bench.benchmarks.settings import (
    CoverageSettings,
    ErrorRatesSettings,
    ProbeErrorRatesSettings,
    ScaleSettings,
    SpeedSettings,
    ThroughputSettings,
)
from bench.commands.report import rendered, table
from bench.commands.shared import known_store
from bench.machine.settings import Settings
from bench.plan.plan import declared
from bench.rows.store import Store
from bench.schema import Row


def speed(settings: SpeedSettings) -> int:
    """Measure the engine next to a plain loop, and print the table."""
    from bench.benchmarks.speed.measure import measure

    with prepared_store(settings) as store:
        print(rendered(keep(measure(compose, settings), store), settings), end="")
    return 0


def throughput(settings: ThroughputSettings) -> int:
    """Measure how fast laws fill weights, and print the table; 1 when a library failed."""
    from bench.benchmarks.throughput.measure import measure

    with prepared_store(settings) as store:
        rows, remarks = measure(settings)
        print(rendered(keep(rows, store), settings), end="")
    for remark in remarks:
        print(remark, file=sys.stderr)
    return int(bool(remarks))


def coverage(settings: CoverageSettings) -> int:
    """Simulate every method, number of runs and shape of the settings, and print the table."""
    from bench.benchmarks.coverage import measure

    with prepared_store(settings) as store:
        print(rendered(keep(measure(settings), store), settings), end="")
    return 0


def error_rates(settings: ErrorRatesSettings) -> int:
    """Simulate the studies of the settings, judge them as a report does, and print the tables."""
    from bench.benchmarks.error_rates.measure import measure

    with prepared_store(settings) as store:
        print(rendered(keep(measure(settings), store), settings), end="")
    return 0


def probe_error_rates(settings: ProbeErrorRatesSettings) -> int:
    """Diagnose models whose truth is known, and print the tables."""
    from bench.benchmarks.probe_error_rates.measure import measured

    with prepared_store(settings) as store:
        print(rendered(keep(measured(settings), store), settings), end="")
    return 0


def scale(settings: ScaleSettings) -> int:
    """Measure the commands on a store of synthetic rows, and print the table of all rows of the study."""
    from bench.benchmarks.scale.measure import measure

    with prepared_store(settings) as store:
        store.write(measure(compose, declared(compose([])), settings.rows, settings.form, settings.study.name))
    print(table(known_store(settings), settings), end="")
    return 0


@contextmanager
def prepared_store(settings: Settings) -> Iterator[Store]:
    """The store of the study, whose folder does not stay empty.

    Raises UserError, before anything is measured, where no row can be written.
    """
    store = Store(settings.results, settings.study.name)
    store.prepare()
    try:
        yield store
    finally:
        with suppress(OSError):
            store.folder.rmdir()


def keep(rows: Iterable[Row], store: Store) -> list[Row]:
    """The rows, each written to the store before the next one is measured."""
    kept = []
    for row in rows:
        store.write(row)
        kept.append(row)
    return kept


def compose(overrides: list[str]) -> DictConfig:
    """The configuration of a single run with these overrides."""
    return hydra.compose("sweep", overrides=overrides)
