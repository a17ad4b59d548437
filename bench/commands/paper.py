"""The paper behind the command `report`: of which studies, of which rows, in which folder.

In: studies with their settings and rows. Out: a folder, or what is stale in it, and an exit code. Touches: the folder.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench import catalogue
from bench.commands.settings import config_folders
from bench.rows.store import Store, studies
from bench.schema import Row, UserError

AUTO, OFF, FOLDER = "auto", "off", "paper/generated"
# of each task without training runs, which no paper is about: the module that makes a table of its rows
TABLES = {
    "throughput": "bench.benchmarks.throughput.table",
    "speed": "bench.benchmarks.speed.table",
    "coverage": "bench.report.tables.coverage",
    "scale": "bench.benchmarks.scale.table",
}

Asked = Sequence[tuple[Mapping[str, Any], Sequence[Row]]]  # of each study, its settings and its rows


def folder(settings: Mapping[str, Any]) -> Path | None:
    """Where the paper goes; None for no paper: with output=off, or output=auto and a format that a program reads."""
    output = str(settings["output"])
    if output == AUTO:
        return Path(FOLDER) if settings["format"] == "text" else None
    return None if output == OFF else Path(output)


def paper(asked: Asked, place: Path) -> int:
    """Put the paper of some studies into its folder; with check=true say how the one that is there differs: 1 if so.

    Raises UserError, before any file is touched, when rows, template or fonts do not make a paper.
    """
    from bench.report.paper import folder as home
    from bench.report.paper.build import document, keys

    settings = asked[0][0]
    simulated = rows_of(settings, "coverage")
    about = [_study(one, rows, len(asked) > 1, simulated) for one, rows in asked if not beside(rows)]
    if not about:
        if settings["output"] == AUTO:
            return 0
        raise UserError(
            f"study {settings['study']['name']} has no training runs; name one that has: study=NAME,throughput"
        )
    made = document(about, _sources(settings, simulated))
    if settings["check"]:
        differences = home.stale(place, made)
        print("\n".join(differences) or f"{place} is what the rows say", file=sys.stderr)
        return int(bool(differences))
    home.write(place, home.files(made, keys(about)))
    print(
        f"The paper: {place / 'report.pdf'} and {place / 'report.html'}; its tables: {place / 'tables'}",
        file=sys.stderr,
    )
    return 0


def beside(rows: Sequence[Row]) -> str | None:
    """The task of rows that are no training runs, where they all have the same; else None."""
    kinds = {str(row.choices.get("task")) for row in rows}
    return next((kind for kind in TABLES if kinds == {kind}), None)


def rows_of(settings: Mapping[str, Any], name: str) -> list[Row]:
    """The rows of another study in the same results/, none where there is no such study."""
    if name not in studies(settings["results"]):
        return []
    return list(Store(settings["results"], name).read().rows.values())


def _study(settings: Mapping[str, Any], rows: Sequence[Row], several: bool, simulated: Sequence[Row]) -> Any:
    from bench.report.paper.study import study_of

    return study_of(rows, settings, f"-{settings['study']['name']}" if several else "", simulated)


def _sources(settings: Mapping[str, Any], simulated: Sequence[Row]) -> Any:
    from bench.report.paper.build import Sources

    folders = config_folders()
    options = cache(lambda word: catalogue.options(word, folders))
    template = {"template": Path(settings["template"])} if settings["template"] else {}
    return Sources(options, rows_of(settings, "throughput"), simulated, **template)
