"""The figures of a paper: vector drawings, the same bytes from the same rows."""

from collections.abc import Iterable

from bench.report.paper.document import Figure
from bench.report.paper.figure.curves import curves
from bench.report.paper.figure.differences import differences
from bench.report.paper.figure.divergence import divergence
from bench.report.paper.figure.first_against_final import first_against_final
from bench.report.paper.figure.intervals import intervals
from bench.report.paper.figure.learning_rate import learning_rate
from bench.report.paper.figure.panels import panels_of
from bench.report.paper.figure.ranks import ranks
from bench.report.paper.figure.style import styled
from bench.report.paper.figure.svg import renamed
from bench.report.paper.figure.throughput import throughput
from bench.report.summary import Summary
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
    panels = panels_of(summary, rows)
    with styled():
        drawn = [draw(panels) for draw in OF_PANELS]
        drawn += [
            ranks(summary.ranks),
            differences(summary.question),
            throughput(sorted(throughput_rows, key=lambda row: row.id)),
        ]
    return {figure.name: renamed(figure, prefix + figure.name) for figure in drawn if figure}
