"""A study's rows, summarized as its yaml declares: its question, its margin, its interim looks.

In: rows and the settings of a command. Out: a Summary. Touches: nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

from bench.machine.settings import Settings
from bench.report.analysis import coverage
from bench.report.analysis.summary import Summary, summarize
from bench.schema import Row


def summarize_study(rows: Iterable[Row], settings: Settings, simulated: Iterable[Row] = ()) -> Summary:
    """Summarize rows with the question, the interim looks and the margin of the study that the settings name.

    `simulated`: rows of `python -m bench coverage`, for the note on intervals that do not cover. Raises UserError as
    `summarize` does.
    """
    study = settings.study
    summary = summarize(rows, float(study.margin), study.question, study.looks, about=vars(study))
    note = coverage.note(simulated, [one.converged for finding in summary.findings for one in finding.arms])
    return replace(summary, notes=(note,)) if note else summary
