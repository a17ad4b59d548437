"""A paper of studies: its document, in reading order.

In: summaries, and tables and figures of other rows. Out: a Document. Touches: paper/, which it reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.report.analysis.summary import Summary
from bench.report.document import Document, Figure, Table
from bench.report.paper import PAPER, provenance
from bench.report.paper.evidence import common, evidence
from bench.report.paper.keys import flat
from bench.report.paper.references import Bibliography
from bench.report.paper.text import fill
from bench.report.tables import cost, overall, protocol, results
from bench.report.wording import study as words
from bench.schema import OK, UserError

OF_STUDY: tuple[Callable[[Summary], Table | None], ...] = (
    results.question,
    results.blocks,
    results.glance,
    results.results,
    overall.ranks,
    overall.aggregates,
    overall.variance,
    overall.power,
    protocol.settings,
    cost.environment,
    cost.cost,
    results.runs,
)


@dataclass(frozen=True)
class Sources:
    """The sources of a paper beside its studies: options of conf/, template, references, and more tables and figures.

    `shown` are tables and figures of other kinds of rows; `sentences` are about them, by their names in the template.
    """

    options: protocol.Options
    shown: Sequence[Table | Figure] = ()
    sentences: Mapping[str, Sequence[str]] = field(default_factory=dict)
    template: Path = PAPER / "report.md.j2"
    references: Path = PAPER / "references.bib"


def document(summaries: Sequence[Summary], sources: Sources) -> Document:
    """The paper of some studies.

    Raises UserError when no run of any study converged, or when template or references do not fit.
    """
    for summary in summaries:
        if not summary.counts[OK]:
            raise UserError(f"study {summary.name} has no run that converged: there is nothing to make a paper of")
    rows = [row for summary in summaries for row in summary.rows]
    bibliography = Bibliography(read(sources.references))
    shown = [*tables(summaries, sources.options), *figures(summaries), *sources.shown]
    placed = {one.name: one for one in shown}
    blocks = fill(read(sources.template), values(summaries, sources, bibliography), placed)
    return Document(
        title=words.title(summaries),
        blocks=tuple(blocks),
        references=bibliography.cited(),
        footer=provenance.footer(rows),
        digest=provenance.digest(rows),
        studies=tuple(summary.name for summary in summaries),
    )


def keys(summaries: Sequence[Summary]) -> dict[str, str]:
    """Every key that a template may print, with its text."""
    if len(summaries) == 1:
        return flat(evidence(summaries[0]))
    return {
        f"{summary.name}.{key}": text
        for summary, suffix in suffixed(summaries)
        for key, text in flat(evidence(summary, suffix)).items()
    }


def suffixed(summaries: Sequence[Summary]) -> list[tuple[Summary, str]]:
    """Each study with the end of the names of its tables and figures: "-NAME" where the paper has several."""
    return [(summary, f"-{summary.name}" if len(summaries) > 1 else "") for summary in summaries]


def tables(summaries: Sequence[Summary], options: protocol.Options) -> list[Table]:
    """Every table that the rows have something for."""
    found = [protocol.arms(summaries, options), protocol.parts(summaries, options), protocol.data(summaries)]
    for summary, suffix in suffixed(summaries):
        made = [table for make in OF_STUDY if (table := make(summary)) and table.lines]
        found += [replace(table, name=table.name + suffix) for table in made]
    return found


def figures(summaries: Sequence[Summary]) -> list[Figure]:
    """Every figure that the rows have something for."""
    from bench.report.figures import figures as draw

    return [
        replace(figure, name=name + suffix)
        for summary, suffix in suffixed(summaries)
        for name, figure in draw(summary, f"{summary.name}-" if suffix else "").items()  # a prefix of the ids inside
    ]


def values(summaries: Sequence[Summary], sources: Sources, bibliography: Bibliography) -> dict[str, Any]:
    """Everything that the template may print; the keys of one study alone stand at the top as well."""
    found = [evidence(summary, suffix) for summary, suffix in suffixed(summaries)]
    arms = sorted({str(row.choices["initializer"]) for summary in summaries for row in summary.rows})
    laws = " ".join(str(sources.options("initializer").get(arm, {}).get("source")) for arm in arms)
    named = {summary.name: one for summary, one in zip(summaries, found, strict=True)}
    alone = {name: found[0][name] for name in found[0]} if len(found) == 1 else {}
    return {
        **named,
        **alone,
        **common(),
        "several": len(found) > 1,
        "studies": found,
        "cite": bibliography.cite,
        "author": bibliography.author,
        "laws": bibliography.cite_named(laws),
        **{"speeds": (), "coverage": (), **sources.sentences},
    }


def read(file: Path) -> str:
    """The text of a file; UserError with the reason where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
