"""A paper of studies: its document, in reading order.

In: summaries, and sheets of other rows. Out: a Document. Touches: paper/, which it reads.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from bench.report.analysis.answers import answers
from bench.report.analysis.claim import Judgment
from bench.report.analysis.stable import predicted
from bench.report.analysis.summary import Summary
from bench.report.document import Block, Document, Figure, Part, Prose, Section, Sheet, Table
from bench.report.paper import PAPER, provenance
from bench.report.paper.evidence import common, evidence
from bench.report.paper.keys import flat
from bench.report.paper.references import Bibliography
from bench.report.paper.text import fill
from bench.report.tables import card, cost, overall, protocol, results, screening, several, tuning
from bench.report.tables import claims as published
from bench.report.terminal import marked
from bench.report.wording import answer
from bench.report.wording import claim as wording
from bench.report.wording import study as words
from bench.report.wording import tuning as of_tuning
from bench.report.wording.format import listed
from bench.schema import Row, UserError

Placed = TypeVar("Placed", Table, Figure)
OF_STUDY: tuple[Callable[[Summary], Table | None], ...] = (
    results.question,
    results.blocks,
    results.levels,
    results.glance,
    results.results,
    card.take,
    overall.ranks,
    overall.aggregates,
    overall.variance,
    overall.power,
    tuning.tuned,
    tuning.search,
    tuning.flips,
    screening.dropped,
    protocol.settings,
    cost.environment,
    cost.cost,
    results.runs,
)


@dataclass(frozen=True)
class Benchmark:
    """A study that compares no arms: its rows, the sheet that a report prints of them, and their figures."""

    rows: Sequence[Row]
    sheet: Sheet
    figures: tuple[Figure, ...] = ()

    @property
    def study(self) -> str:
        """The name of the study."""
        return self.rows[0].study

    @property
    def section(self) -> Section:
        """The page of the study as one section."""
        page = self.sheet.page or (Section(f"Study {self.study}", self.sheet.parts, 2),)
        return next(part for part in page if isinstance(part, Section))

    @property
    def sentences(self) -> Sequence[str]:
        """What its rows say in sentences, none where they only make tables."""
        found: Sequence[str] = self.sheet.record.get("sentences", ())
        return found


@dataclass(frozen=True)
class Claims:
    """The verdicts on published claims, and the rows that they rest on."""

    judgments: Sequence[Judgment]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Sources:
    """The sources of a paper beside its rows: options of conf/, templates, references, when studies were registered."""

    options: protocol.Options
    registered: tuple[str, ...] = ()
    template: Path = PAPER / "report.md.j2"
    appendix: Path = PAPER / "appendix.md.j2"
    references: Path = PAPER / "references.bib"


def document(
    summaries: Sequence[Summary],
    sources: Sources,
    benchmarks: Sequence[Benchmark] = (),
    claims: Claims | None = None,
) -> Document:
    """The paper of some studies by the templates, or of benchmarks alone, each as its page has it.

    A template places a benchmark as a whole, `page-NAME`, or some of its tables and figures. `claims` are a section.

    Raises UserError when no run of a study ended, or when templates or references do not fit.
    """
    for summary in summaries:
        if not any(one.ended for finding in summary.findings for one in finding.arms):
            raise UserError(f"study {summary.name} has no run that ended: there is nothing to make a paper of")
    rows = [row for one in summaries for row in one.rows] + [row for one in benchmarks for row in one.rows]
    rows += claims.rows if claims else []
    names = [*(summary.name for summary in summaries), *(one.study for one in benchmarks)]
    bibliography = Bibliography(read(sources.references))
    if summaries:
        blocks, appendix = _filled(summaries, sources, bibliography, benchmarks, claims)
    else:
        blocks, appendix = [block for one in benchmarks for block in _measured(one, len(names) == 1)], []
    title, blocks = _titled(blocks)
    if not title:
        title = words.title(summaries) if summaries else listed([one.section.heading for one in benchmarks])
    return Document(
        title=title,
        blocks=tuple(blocks),
        references=bibliography.cited(),
        footer=" ".join([provenance.footer(rows), *sources.registered]),
        digest=provenance.digest(rows),
        studies=tuple(names),
        appendix=tuple(appendix),
    )


def _filled(
    summaries: Sequence[Summary],
    sources: Sources,
    bibliography: Bibliography,
    benchmarks: Sequence[Benchmark],
    claims: Claims | None,
) -> tuple[list[Block], list[Block]]:
    """The paper and its appendix, which has no table or figure that the paper has."""
    known = values(summaries, sources, bibliography)
    known |= {"measured": {one.study: {"sentences": one.sentences} for one in benchmarks}, "stable_rates": {}}
    shown: dict[str, Sequence[Block]] = {one.name: [one] for one in tables(summaries, sources.options)}
    shown |= {one.name: [one] for one in figures(summaries)}
    for one in benchmarks:
        page = _measured(one, alone=False)
        shown |= {f"page-{one.study}": page} | {part.name: [part] for part in page if not isinstance(part, Prose)}
    for name, sentence, parts in _predictions(summaries, benchmarks):
        known["stable_rates"][name] = sentence
        shown |= {one.name: [one] for one in parts}
    if claims:
        known |= {"claims": wording.summary(claims.judgments)}
        shown |= {one.name: [one] for one in published.of_paper(claims.judgments)}
    blocks = fill(read(sources.template), known, shown)
    rest = {name: parts for name, parts in shown.items() if not any(one in blocks for one in parts)}
    return blocks, fill(read(sources.appendix), known, rest)


def _titled(blocks: list[Block]) -> tuple[str, list[Block]]:
    """The title that a template begins with, as `# Title`, and the rest; an empty title where it has none."""
    first, rest = (blocks or [Prose("")])[0], blocks[1:]
    found = re.match(r"# (.+)\n", first.markdown) if isinstance(first, Prose) else None
    if not found or not isinstance(first, Prose):
        return "", blocks
    after = first.markdown[found.end() :].strip()
    return found[1].strip(), [*([Prose(f"{after}\n")] if after else []), *rest]


def _predictions(
    summaries: Sequence[Summary], benchmarks: Sequence[Benchmark]
) -> Iterator[tuple[str, str, list[Table | Figure]]]:
    """Of each study whose nets the rows of task=signal have: its name, what they predict, a table and a figure."""
    from bench.report.figures import prediction

    for summary, suffix in suffixed(summaries):
        rows = [row for one in benchmarks for row in one.rows if row.choices.get("task") == "signal"]
        if found := predicted(summary.tuning, summary.rules, rows):
            drawn = prediction(found, summary.arms, f"{summary.name}-" if suffix else "")
            parts: list[Table | Figure] = [of_one(tuning.stable(found), summary, suffix)]
            parts += [of_one(replace(drawn, name="stable"), summary, suffix)] if drawn else []
            yield summary.name, of_tuning.predicted(found), parts


def _measured(benchmark: Benchmark, alone: bool) -> list[Block]:
    """The page of a benchmark, its figures before its table; among others with a heading, and its study in names."""
    found = [*_blocks(benchmark.section.parts if alone else [benchmark.section])]
    first = next((place for place, one in enumerate(found) if isinstance(one, Table)), len(found))
    found[first:first] = benchmark.figures
    end = "" if alone else f"-{benchmark.study}"
    return [one if isinstance(one, Prose) else replace(one, name=one.name + end) for one in found]


def _blocks(parts: Iterable[Part]) -> Iterator[Block]:
    for part in parts:
        match part:
            case Table():
                yield part
            case Section(heading, inside, level):
                yield Prose(f"{'#' * level} {heading}\n")
                yield from _blocks(inside)
            case _:
                yield Prose(marked(part))


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
    found += several.tables(summaries) if len(summaries) > 1 else []
    for summary, suffix in suffixed(summaries):
        made = [table for make in OF_STUDY if (table := make(summary)) and table.lines]
        made += [results.question_in_short(summary.question)] if summary.question else []
        found += [of_one(table, summary, suffix) for table in made]
    return found


def figures(summaries: Sequence[Summary]) -> list[Figure]:
    """Every figure that the rows have something for."""
    from bench.report.figures import figures as draw

    return [
        of_one(replace(figure, name=name), summary, suffix)
        for summary, suffix in suffixed(summaries)
        for name, figure in draw(summary, f"{summary.name}-" if suffix else "").items()  # a prefix of the ids inside
    ]


def of_one(part: Placed, summary: Summary, suffix: str) -> Placed:
    """A table or a figure of one study among several, which its name and its caption tell."""
    return replace(part, name=part.name + suffix, caption=f"`{summary.name}`. {part.caption}") if suffix else part


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
        "claims": [],
        "several": len(found) > 1,
        "together": answer.together(answers(summaries)),
        "studies": found,
        "cite": bibliography.cite,
        "author": bibliography.author,
        "laws": bibliography.cite_named(laws),
    }


def read(file: Path) -> str:
    """The text of a file; UserError with the reason where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
