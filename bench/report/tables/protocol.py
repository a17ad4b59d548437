"""The protocol: initializers with law and source, data, models, and the settings that all runs share.

In: summaries, and the options of conf/. Out: Tables. Touches: nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.wording.format import DASH
from bench.schema import WORDS

Options = Callable[[str], Mapping[str, Mapping[str, Any]]]  # a word's options by name, as catalogue.options reads them
ARMS = "The initializers compared: the law of a weight w with n_in inputs and n_out outputs, and its source."
PARTS = "The other parts of a run, with their laws and sources; arguments that vary are in the tables of results."
DATA = "The data: images in each split, as the runs used them."
SETTINGS = "The settings that all runs of a study share."
SPLITS = ("train_images", "validation_images", "test_images", "classes")


def arms(summaries: Sequence[Summary], options: Options) -> Table:
    """Name, law and source of each initializer, as its yaml states them; a dash where conf/ does not know it."""
    lines = _parts(summaries, "initializer", options)
    return Table("arms", ARMS, ("initializer", "law", "source"), tuple(lines), 3)


def parts(summaries: Sequence[Summary], options: Options) -> Table:
    """Law and source of every other part that the runs are made of."""
    others = [word for word in WORDS if word != "initializer"]
    lines = tuple((Cell(word), *line) for word in others for line in _parts(summaries, word, options))
    return Table("parts", PARTS, ("part", "name", "law", "source"), lines, 4)


def data(summaries: Sequence[Summary]) -> Table:
    """Each dataset with its splits and classes, from the rows."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for row in (row for summary in summaries for row in summary.rows if "test_images" in row.environment):
        found.setdefault((row.choices.get("dataset"), *(row.environment.get(one) for one in SPLITS)), []).append(row.id)
    lines = [
        (Cell(str(key[0])), *(Cell(DASH if one is None else f"{one:,}", one, tuple(runs)) for one in key[1:]))
        for key, runs in sorted(found.items(), key=repr)
    ]
    header = ("dataset", *(one.replace("_", " ") for one in SPLITS))
    return Table("data", DATA, header, tuple(lines))


def settings(summary: Summary) -> Table:
    """Every choice that is the same in all runs of the study that have it."""
    shared = {key: value for key, value in sorted(summary.shared().items()) if not key.startswith("initializer")}
    lines = tuple((Cell(key), Cell("null" if value is None else str(value))) for key, value in shared.items())
    return Table("settings", SETTINGS, ("setting", "value"), lines, 2)


def _parts(summaries: Sequence[Summary], word: str, options: Options) -> list[tuple[Cell, ...]]:
    """Name, law and source of each part behind a word that the rows name."""
    known = options(word)
    names = {str(row.choices[word]) for one in summaries for row in one.rows if word in row.choices}
    return [
        (Cell(name), *(Cell(str(known.get(name, {}).get(key) or DASH)) for key in ("law", "source")))
        for name in sorted(names)
    ]
