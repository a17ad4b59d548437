"""A study's rows, summarized as its yaml declares: its question, its margins, its interim looks.

In: rows and the settings of a command. Out: a Summary. Touches: nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

from bench.machine.settings import Settings
from bench.report.analysis import coverage
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary, summarize
from bench.schema import Row


def summarize_study(rows: Iterable[Row], settings: Settings, simulated: Iterable[Row] = ()) -> Summary:
    """Summarize rows by the rules of the study that the settings name.

    `simulated`: rows of `python -m bench coverage`, for the note on intervals that do not cover. Raises UserError as
    `summarize` does.
    """
    summary = summarize(rows, Rules.of(settings.study), about=vars(settings.study))
    note = coverage.note(simulated, [one.trained for finding in summary.findings for one in finding.arms])
    return replace(summary, notes=(note,)) if note else summary
