"""The figures of a paper: vector drawings, the same bytes from the same rows."""

from collections.abc import Iterable

from bench.report.analysis.summary import Summary
from bench.report.document import Figure
from bench.report.figures.curves import curves
from bench.report.figures.differences import differences
from bench.report.figures.divergence import divergence
from bench.report.figures.first_against_final import first_against_final
from bench.report.figures.intervals import intervals
from bench.report.figures.learning_rate import learning_rate
from bench.report.figures.panels import panels_of
from bench.report.figures.ranks import ranks
from bench.report.figures.style import styled
from bench.report.figures.svg import renamed
from bench.schema import Row

__all__ = ["figures"]

OF_PANELS = (intervals, curves, first_against_final, divergence, learning_rate)


def figures(
    summary: Summary, rows: Iterable[Row], throughput_rows: Iterable[Row] = (), prefix: str = ""
) -> dict[str, Figure]:
    """Every figure that the rows have something for, by what it shows: "curves", "intervals".

    `rows` are those that `summary` was made of; `throughput_rows` those of `python -m bench throughput`. `prefix`
    opens the names of the figures and the ids within them, which are unique in a page with several studies.
    """
    from bench.benchmarks.throughput.figure import figure as throughput  # which draws with this package

    panels = panels_of(summary, rows)
    with styled():
        drawn = [draw(panels) for draw in OF_PANELS]
        drawn += [
            ranks(summary.ranks),
            differences(summary.question),
            throughput(sorted(throughput_rows, key=lambda row: row.id)),
        ]
    return {figure.name: renamed(figure, prefix + figure.name) for figure in drawn if figure}
