"""What was compared, on what, and how: initializers with law and source, data, models, and settings shared by all runs.

In: studies, and the options of conf/. Out: Tables. Touches: nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.report.document import Cell, Table
from bench.report.paper.study import Study
from bench.report.wording.format import DASH
from bench.schema import WORDS, Row

Options = Callable[[str], Mapping[str, Mapping[str, Any]]]  # a word's options by name, as catalogue.options reads them
ARMS = "The initializers compared: the law of a weight w with n_in inputs and n_out outputs, and its source."
PARTS = "The other parts of a run, with their laws and sources; arguments that vary are in the tables of results."
DATA = "The data: images in each split, as the runs used them."
SETTINGS = "The settings that all runs of a study share."
SPLITS = ("train_images", "validation_images", "test_images", "classes")


def arms(studies: Sequence[Study], options: Options) -> Table:
    """Name, law and source of each initializer, as its yaml states them; a dash where conf/ does not know it."""
    names = sorted({str(row.choices["initializer"]) for study in studies for row in study.rows})
    known = options("initializer")
    return Table(
        "arms",
        ARMS,
        ("initializer", "law", "source"),
        tuple(tuple(_about(name, known.get(name, {}))) for name in names),
        3,
    )


def parts(studies: Sequence[Study], options: Options) -> Table:
    """Law and source of every other part that the runs are made of."""
    lines = []
    for word in (word for word in WORDS if word != "initializer"):
        known = options(word)
        names = {str(row.choices[word]) for study in studies for row in study.rows if word in row.choices}
        lines += [(Cell(word), *_about(name, known.get(name, {}))) for name in sorted(names)]
    return Table("parts", PARTS, ("part", "name", "law", "source"), tuple(lines), 4)


def data(studies: Sequence[Study]) -> Table:
    """Each dataset with its splits and classes, from the rows."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for row in (row for study in studies for row in study.rows if "test_images" in row.environment):
        found.setdefault((row.choices.get("dataset"), *(row.environment.get(one) for one in SPLITS)), []).append(row.id)
    lines = [
        (Cell(str(key[0])), *(Cell(DASH if one is None else f"{one:,}", one, tuple(runs)) for one in key[1:]))
        for key, runs in sorted(found.items(), key=repr)
    ]
    header = ("dataset", *(one.replace("_", " ") for one in SPLITS))
    return Table("data", DATA, header, tuple(lines))


def settings(study: Study) -> Table:
    """Every choice that is the same in all runs of the study that have it."""
    shared = {key: value for key, value in sorted(_shared(study.rows)) if key.partition(".")[0] != "initializer"}
    lines = tuple((Cell(key), Cell("null" if value is None else str(value))) for key, value in shared.items())
    return Table(f"settings{study.suffix}", SETTINGS, ("setting", "value"), lines, 2)


def _about(name: str, option: Mapping[str, Any]) -> list[Cell]:
    return [Cell(name), *(Cell(str(option.get(key) or DASH)) for key in ("law", "source"))]


def _shared(rows: Iterable[Row]) -> list[tuple[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for row in rows:
        for key, value in row.choices.items():
            values.setdefault(key, {})[repr(value)] = value
    return [(key, next(iter(seen.values()))) for key, seen in values.items() if len(seen) == 1]
