"""The command `report`: the rows of studies as tables and as a paper.

In: the configuration that Hydra composed. Out: text, a folder, and an exit code. Touches: the paper's folder; rows are
read.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from bench.commands.paper import TABLES, beside, folder, paper, rows_of
from bench.commands.settings import known_store, plain
from bench.rows.store import Reading, Store
from bench.schema import Row, UserError

if TYPE_CHECKING:
    from bench.report.document import Sheet


def report(config: DictConfig) -> int:
    """Print the tables of each study and build their paper; 1 when the paper to check is stale."""
    settings = plain(config)
    if not isinstance(settings["check"], bool):
        raise UserError(f"check takes true or false, not {settings['check']!r}")
    place = folder(settings)
    readings = [(one, _read(known_store(one), curves=place is not None)) for one in _each(settings)]
    studies = [(one, _chosen(reading, settings["where"])) for one, reading in readings]
    if not settings["check"]:
        for _, reading in readings:
            _remark(reading)
        print("\n".join(rendered(rows, one) for one, rows in studies), end="")
    if place is None:
        return 0
    if remarks := [remark for _, reading in readings for remark in reading.remarks]:
        raise UserError(f"no paper is made while rows are left out of it; first see to this: {'; '.join(remarks)}")
    return paper(studies, place)


def table(store: Store, settings: Mapping[str, Any]) -> str:
    """The report of the rows of a store in the format of the settings; remarks about the rows go to standard error."""
    reading = store.read()
    _remark(reading)
    return rendered(list(reading.rows.values()), settings)


def rendered(rows: Sequence[Row], settings: Mapping[str, Any]) -> str:
    """The report of rows in the format of the settings."""
    from bench.report.terminal import render

    return render(sheet_of(rows, settings), settings["format"])


def sheet_of(rows: Sequence[Row], settings: Mapping[str, Any]) -> "Sheet":
    """The summary of training runs, or the table of the benchmark that made the rows."""
    if kind := beside(rows):
        found: Sheet = importlib.import_module(TABLES[kind]).sheet(rows)
        return found
    from bench.report import sheet, summarize_study

    return sheet(summarize_study(rows, settings, rows_of(settings, "coverage")))


def _each(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings of each study in study=NAME,NAME."""
    if not settings["studies"]:
        return [settings]
    composed = [OmegaConf.to_container(compose("report", overrides=one), resolve=True) for one in settings["studies"]]
    return [{**settings, "study": one["study"]} for one in composed]  # type: ignore[index,call-overload]


def _read(store: Store, curves: bool) -> Reading:
    reading = store.read(curves=curves)
    # a table of training runs needs no curves; one of times per block has nothing else
    return store.read() if not curves and beside(list(reading.rows.values())) else reading


def _chosen(reading: Reading, where: Sequence[str]) -> list[Row]:
    from bench.report.analysis.filter import kept

    rows = list(reading.rows.values())
    return rows if beside(rows) else kept(rows, where)  # conditions are about training runs


def _remark(reading: Reading) -> None:
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
