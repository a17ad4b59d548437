"""A paper of studies: its document, in reading order.

In: studies, and the rows of other commands. Out: a Document. Touches: paper/, which it reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.benchmarks.throughput import table as speeds
from bench.report.analysis import coverage as intervals
from bench.report.document import Document, Figure, Table
from bench.report.paper import PAPER, provenance
from bench.report.paper.evidence import common, evidence
from bench.report.paper.keys import flat
from bench.report.paper.references import Bibliography
from bench.report.paper.study import Study
from bench.report.paper.text import fill
from bench.report.tables import appendix, cost, coverage, overall, protocol, results
from bench.report.wording import study as words
from bench.schema import OK, Row, UserError

OF_STUDY: tuple[Callable[[Study], Table | None], ...] = (
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
    appendix.runs,
)


@dataclass(frozen=True)
class Sources:
    """What a paper is made of beside its studies: options of conf/, rows of other commands, template, references."""

    options: protocol.Options
    throughput: Sequence[Row] = ()
    coverage: Sequence[Row] = ()
    template: Path = PAPER / "report.md.j2"
    references: Path = PAPER / "references.bib"


def document(studies: Sequence[Study], sources: Sources) -> Document:
    """The paper of some studies.

    Raises UserError when no run of any study converged, or when template or references do not fit.
    """
    for study in studies:
        if not study.summary.counts[OK]:
            raise UserError(f"study {study.name} has no run that converged: there is nothing to make a paper of")
    rows = [row for study in studies for row in study.rows]
    bibliography = Bibliography(read(sources.references))
    shown: list[Table | Figure] = [*tables(studies, sources), *figures(studies, sources)]
    placed = {one.name: one for one in shown}
    blocks = fill(read(sources.template), values(studies, sources, bibliography), placed)
    return Document(
        title=words.title(studies),
        blocks=tuple(blocks),
        references=bibliography.cited(),
        footer=provenance.footer(rows),
        digest=provenance.digest(rows),
        studies=tuple(study.name for study in studies),
    )


def keys(studies: Sequence[Study]) -> dict[str, str]:
    """Every key that a template may print, with its text."""
    found = [evidence(study) for study in studies]
    if len(found) == 1:
        return dict(flat(found[0]))
    return {
        f"{study.name}.{key}": text
        for study, one in zip(studies, found, strict=True)
        for key, text in flat(one).items()
    }


def tables(studies: Sequence[Study], sources: Sources) -> list[Table]:
    """Every table that the rows have something for."""
    found = [protocol.arms(studies, sources.options), protocol.parts(studies, sources.options), protocol.data(studies)]
    found += [table for study in studies for make in OF_STUDY if (table := make(study)) and table.lines]
    found += [speeds.table(sources.throughput)] if sources.throughput else []
    return found + ([coverage.table(sources.coverage)] if sources.coverage else [])


def figures(studies: Sequence[Study], sources: Sources) -> list[Figure]:
    """Every figure that the rows have something for."""
    from bench.report.figures import figures as draw

    found: list[Figure] = []
    for place, study in enumerate(studies):
        prefix = f"{study.name}-" if study.suffix else ""  # of ids inside, which one page has once
        drawn = draw(study.summary, study.rows, () if place else sources.throughput, prefix)
        found += [
            replace(figure, name=name if name == "throughput" else name + study.suffix)
            for name, figure in drawn.items()
        ]
    return found


def values(studies: Sequence[Study], sources: Sources, bibliography: Bibliography) -> dict[str, Any]:
    """Everything that the template may ask for; the keys of one study alone stand at the top as well."""
    found = [evidence(study) for study in studies]
    laws = " ".join(str(sources.options("initializer").get(arm, {}).get("source")) for arm in initializers(studies))
    named = {study.name: one for study, one in zip(studies, found, strict=True)}
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
        "speeds": _speeds(sources.throughput),
        "coverage": _coverage(sources.coverage),
    }


def initializers(studies: Sequence[Study]) -> list[str]:
    """The names of the initializers in some studies, sorted."""
    return sorted({str(row.choices["initializer"]) for study in studies for row in study.rows})


def read(file: Path) -> str:
    """The text of a file; UserError with the reason where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error


def _speeds(rows: Sequence[Row]) -> list[str]:
    return speeds.sentences(rows) if rows else []


def _coverage(rows: Sequence[Row]) -> list[str]:
    return intervals.sentences(rows) if rows else []
