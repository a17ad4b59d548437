"""The command `report`: the rows of studies as tables and as a paper.

In: settings. Out: text, a folder, an exit code. Touches: the folder of the paper; rows are read.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hydra import compose

from bench.commands.paper import ReportSettings, Studies, folder, measured, paper, rows_of, table_of, tables_of
from bench.commands.shared import check_question, known_store, show
from bench.machine.settings import Settings
from bench.plan.plan import declared
from bench.rows.store import Reading, Store
from bench.rows.unfit import UnfitArm, sentences
from bench.schema import Row, UserError

if TYPE_CHECKING:
    from bench.report import Summary
    from bench.report.document import Sheet


def report(settings: ReportSettings) -> int:
    """Print the tables of each study and build their paper; 1 when the paper to check is stale."""
    place = folder(settings)
    if settings.check and place is None:
        raise UserError(
            "check=true compares a paper, and these settings make none; leave out format, or write output=DIR"
        )
    readings = [(one, _read(known_store(one), curves=place is not None)) for one in _each(settings)]
    for one, reading in readings:
        check_question(one.study, (str(row.choices.get("initializer")) for row in reading.rows.values()))
    studies = [(one, _chosen(reading, settings.where), reading.unfit) for one, reading in readings]
    if not settings.check:
        for _, reading in readings:
            _remark(reading)
        text = _printed(studies)
        show(text) if place else print(text, end="")
    if place is None:
        return 0
    if remarks := [remark for _, reading in readings for remark in reading.remarks]:
        raise UserError(f"no paper is made while rows are left out of it; first see to this: {'; '.join(remarks)}")
    return paper(studies, place)


def table(store: Store, settings: Settings) -> str:
    """The report of the rows of a store in the format of the settings; remarks about the rows go to standard error."""
    reading = store.read()
    _remark(reading)
    return rendered(list(reading.rows.values()), settings, unfit=reading.unfit)


def rendered(rows: Sequence[Row], settings: Settings, where: Sequence[str] = (), unfit: Sequence[UnfitArm] = ()) -> str:
    """The report of rows, those that meet the conditions `where`, in the format of the settings.

    `unfit`: the arms that the sweeps of the study left out.
    """
    from bench.report.terminal import render

    return render(sheet_of(rows, settings, where, unfit), settings.format)


def sheet_of(
    rows: Sequence[Row], settings: Settings, where: Sequence[str] = (), unfit: Sequence[UnfitArm] = ()
) -> "Sheet":
    """A comparison of the arms, the table of a benchmark, or the means of any other task."""
    from bench.report import sheet

    if summary := _summary_of(rows, settings, where, unfit):
        return sheet(summary)
    found = measured(rows)
    return replace(found, parts=(*found.parts, *sentences(unfit)))


def _summary_of(
    rows: Sequence[Row], settings: Settings, where: Sequence[str], unfit: Sequence[UnfitArm]
) -> "Summary | None":
    """The summary of rows that compare arms; None of others."""
    from bench.report import summarize_study

    return None if table_of(rows) else summarize_study(rows, settings, rows_of(settings, "coverage"), where, unfit)


def _printed(studies: Studies) -> str:
    """The report of each study; of several, for people, after what they say together."""
    from bench.report import render, sheet
    from bench.report.tables.several import together

    form = studies[0][0].format
    summaries = [_summary_of(rows, one, one.where, unfit) for one, rows, unfit in studies]
    texts = [
        render(sheet(summary), form) if summary else rendered(rows, one, one.where, unfit)
        for summary, (one, rows, unfit) in zip(summaries, studies, strict=True)
    ]
    compared = [summary for summary in summaries if summary]
    if len(compared) > 1 and form in ("text", "markdown") and (top := together(compared)).parts:
        texts.insert(0, render(top, form))
    return "\n".join(filter(None, texts))


def _each(settings: ReportSettings) -> list[ReportSettings]:
    """The settings of each study in study=NAME,NAME; the given ones for a single study."""
    named = [declared(compose("report", overrides=one)) for one in settings.studies]
    return [replace(settings, study=study) for study in named] or [settings]


def _read(store: Store, curves: bool) -> Reading:
    reading = store.read(curves=curves)
    # a table of training runs needs no curves; one of times per block has nothing else
    return store.read() if not curves and any(tables_of(list(reading.rows.values())).values()) else reading


def _chosen(reading: Reading, where: Sequence[str]) -> list[Row]:
    from bench.report.analysis.filter import kept

    rows = list(reading.rows.values())
    return rows if all(tables_of(rows).values()) else kept(rows, where)  # conditions are about training runs


def _remark(reading: Reading) -> None:
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
