"""The figures of a paper: vector drawings, the same bytes from the same rows."""

from collections.abc import Sequence

from bench.report.analysis.stable import Prediction
from bench.report.analysis.summary import Summary
from bench.report.document import Figure
from bench.report.figures.against import against
from bench.report.figures.curves import curves
from bench.report.figures.differences import differences
from bench.report.figures.first_against_final import first_against_final
from bench.report.figures.grid import grid
from bench.report.figures.learning_rate import learning_rate
from bench.report.figures.ranks import ranks
from bench.report.figures.rates import rates
from bench.report.figures.stable import stable
from bench.report.figures.style import styled
from bench.report.figures.svg import renamed

__all__ = ["figures", "prediction"]

OF_FINDINGS = (rates, curves, first_against_final, learning_rate)


def prediction(found: Prediction, arms: Sequence[str], prefix: str = "") -> Figure | None:
    """What the probe predicts, None where it orders no arms. `arms`: all of the study; `prefix` as for `figures`."""
    with styled():
        figure = stable(found, arms)
    return renamed(figure, prefix + figure.name) if figure else None


def figures(summary: Summary, prefix: str = "") -> dict[str, Figure]:
    """Every figure that the summary has something for, by what it shows: "curves", "rates".

    `prefix` opens the names of the figures and the ids within them, which are unique in a page with several studies.
    """
    with styled():
        drawn = [draw(summary.findings) for draw in OF_FINDINGS]
        drawn += [ranks(summary.ranks), differences(summary.question), grid(summary.tuning)]
        drawn += [against(summary.findings, summary.question)]
    return {figure.name: renamed(figure, prefix + figure.name) for figure in drawn if figure}
