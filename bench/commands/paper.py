"""The paper of the command `report`: its studies, their rows, its folder.

In: studies with their settings and rows. Out: a folder, or what is stale in it, and an exit code. Touches: the folder.
"""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hydra import compose

from bench import catalogue
from bench.commands.claims import verdicts
from bench.commands.shared import config_folders
from bench.machine.settings import Settings
from bench.rows.registration import notes, older, registration
from bench.rows.store import Store, studies
from bench.rows.unfit import UnfitArm
from bench.schema import Row, UserError

if TYPE_CHECKING:
    from bench.report.document import Sheet
    from bench.report.paper.build import Benchmark, Claims

AUTO, OFF, FOLDER = "auto", "off", "paper/generated"
CLAIMS = "claims"  # folder of their rows in results/, as in conf/reproduce.yaml
MEANS = "bench.report.tables.means"
# by benchmark: the module that makes a table of its rows
TABLES = {
    "throughput": "bench.benchmarks.throughput.table",
    "speed": "bench.benchmarks.speed.table",
    "coverage": "bench.report.tables.coverage",
    "error_rates": "bench.benchmarks.error_rates.table",
    "probe_error_rates": "bench.benchmarks.probe_error_rates.table",
    "scale": "bench.benchmarks.scale.table",
}
# by task: the module that draws its rows
FIGURES = {"throughput": "bench.benchmarks.throughput.figure", "signal": "bench.benchmarks.signal_figures"}


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Settings):
    """The settings of `report`."""

    output: str  # a folder, auto or off
    check: bool
    claims: bool
    template: Path | None
    where: list[str]  # conditions on runs, as KEY=VALUE,VALUE
    studies: list[list[str]]  # the overrides that name each of several studies


# of each study, its settings, its rows, and the arms that its sweeps left out
Studies = Sequence[tuple[ReportSettings, Sequence[Row], Sequence[UnfitArm]]]


def folder(settings: ReportSettings) -> Path | None:
    """Where the paper goes; None for no paper: with output=off, or output=auto and a format that a program reads."""
    if settings.output == AUTO:
        return Path(FOLDER) if settings.format == "text" else None
    return None if settings.output == OFF else Path(settings.output)


def paper(named: Studies, place: Path) -> int:
    """Put the paper of some studies into its folder; with check=true print how the one there differs: 1 if it does.

    Raises UserError, before any file is touched, when rows, template or fonts do not make a paper.
    """
    from bench.report import summarize_study
    from bench.report.paper import folder as files
    from bench.report.paper.build import Sources, document, keys

    settings, folders = named[0][0], config_folders()
    simulated = rows_of(settings, "coverage")
    compared = [(one, rows, unfit) for one, rows, unfit in named if not table_of(rows)]
    summaries = [summarize_study(rows, one, simulated, one.where, unfit) for one, rows, unfit in compared]
    template = {"template": settings.template} if settings.template else {}
    options = cache(lambda word: catalogue.options(word, folders))
    sources = Sources(options, tuple(_registered(rows, one) for one, rows, _ in compared), **template)
    benchmarks = [_benchmark(rows) for _, rows, _ in named if table_of(rows)]
    made = document(summaries, sources, benchmarks, _claims(settings) if settings.claims else None)
    if settings.check:
        differences = files.stale(place, made)
        print("\n".join(differences) or f"{place} is what the rows say", file=sys.stderr)
        return int(bool(differences))
    files.write(place, files.files(made, keys(summaries)))
    print(
        f"The paper: {place / 'paper.pdf'} and {place / 'paper.html'}; its tables: {place / 'tables'}",
        file=sys.stderr,
    )
    return 0


def table_of(rows: Sequence[Row]) -> str | None:
    """The module that makes a table of the rows; None where they compare arms, as the rows of a paper do.

    Raises UserError for rows that no table shows together.
    """
    found = tables_of(rows)
    if len(set(found.values())) > 1:
        raise UserError(
            f"study {rows[0].study} has rows of several tasks, which no table shows together: "
            f"{', '.join(sorted(found))}; where.task=TASK chooses"
        )
    return next(iter(found.values()), None)


def tables_of(rows: Sequence[Row]) -> dict[str, str | None]:
    """As `table_of`, for each task of the rows."""
    tasks = {str(row.choices.get("task")) for row in rows}
    about = catalogue.options("task", config_folders()) if tasks - {*TABLES} else {}
    return {
        task: TABLES.get(task) or (MEANS if about.get(task, {}).get("report") == "means" else None) for task in tasks
    }


def rows_of(settings: Settings, name: str) -> list[Row]:
    """The rows of another study in the same results/, none where there is no such study."""
    if name not in studies(settings.results):
        return []
    return list(Store(settings.results, name).read().rows.values())


def measured(rows: Sequence[Row]) -> "Sheet":
    """The sheet of rows that compare no arms."""
    found: Sheet = importlib.import_module(table_of(rows) or MEANS).sheet(rows)
    return found


def _registered(rows: Sequence[Row], settings: ReportSettings) -> str:
    name = settings.study.name
    found = registration(name, config_folders())
    return f"Study {name}: {'; '.join(notes(found, older(rows, found)))}."


def _claims(settings: ReportSettings) -> "Claims":
    from bench.report.paper.build import Claims

    return Claims(*verdicts(lambda words: compose("reproduce", overrides=words), Path(settings.results) / CLAIMS))


def _benchmark(rows: Sequence[Row]) -> "Benchmark":
    from bench.report.paper.build import Benchmark

    rows = sorted(rows, key=lambda row: row.id)
    task = str(rows[0].choices.get("task"))
    figures = importlib.import_module(FIGURES[task]).figures(rows) if task in FIGURES else ()
    return Benchmark(rows, measured(rows), tuple(figures))
