"""A study's rows, summarized as its yaml declares: its question, its margins, its interim looks.

In: rows and the settings of a command. Out: a Summary. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.machine.settings import Settings
from bench.report.analysis import coverage
from bench.report.analysis.filter import meets
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary, summarize
from bench.rows.unfit import UnfitArm
from bench.schema import Row


def summarize_study(
    rows: Iterable[Row],
    settings: Settings,
    simulated: Iterable[Row] = (),
    where: Sequence[str] = (),
    unfit: Iterable[UnfitArm] = (),
) -> Summary:
    """Summarize rows by the rules of the study that the settings name.

    `simulated`: rows of `python -m bench coverage`, for the note on intervals that do not cover. `where`: the
    conditions by which these rows were chosen among those of the study. `unfit`: the arms that its sweeps left out,
    those too that do not meet the conditions. Raises UserError as `summarize` does.
    """
    left_out = [one for one in unfit if meets(one.choices, where)]
    summary = summarize(rows, Rules.of(settings.study), vars(settings.study), left_out)
    note = coverage.note(simulated, [one.trained for finding in summary.findings for one in finding.arms])
    return replace(summary, notes=tuple(filter(None, [_left_out(where), note])))


def _left_out(where: Sequence[str]) -> str:
    if not where:
        return ""
    conditions = " ".join(f"where.{one}" for one in where)
    return (
        f"Runs that do not meet {conditions} are left out: verdicts have their level only where these "
        "conditions were chosen before the runs were seen."
    )
