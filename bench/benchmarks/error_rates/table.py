"""Rows of error rates as tables: how often a report is wrong, and how often it finds what is there.

In: the rows of `python -m bench error_rates`. Out: Tables, sentences, a Sheet. Touches: nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.benchmarks.error_rates.kinds import FAILING_ARM, LARGE, LOWER, SCENARIOS, TWO_MODES
from bench.report.analysis.power import POWER
from bench.report.analysis.rules import ALPHA
from bench.report.document import Cell, Part, Section, Sheet, Table, records
from bench.report.tables.page import page
from bench.report.wording.format import DASH, PERCENT, inside, interval, listed, number, percent, sentence_case
from bench.schema import Row

WRONG = {
    "false_matters": "any block of equal arms matters",
    "false_different": "any pair of equal arms is different",
    "false_equivalent": "any pair of unequal arms is equivalent",
    "false_equal_in_accuracy": "any pair of unequal arms is equal in accuracy",
    "false_question": "the question has a wrong answer",
}
RIGHT = {
    "found_matters": "any block of unequal arms matters",
    "found_different": "a pair of unequal arms is different",
    "found_equivalent": "a pair of equal arms is equivalent",
    "found_equal_in_accuracy": "a pair of equal arms is equal in accuracy",
    "found_question": "the question has the right answer in a block",
}
VERDICTS = {name: f"wrong: {words}" for name, words in WRONG.items()} | RIGHT
OFTEN = "too often"  # of a share of wrong verdicts whose whole interval lies above the level
LEVEL = percent(ALPHA)
ORDER = ("sd", "failing", "shift", "n", "blocks", "looks")
COLUMNS = ("n", "looks", "blocks", "arms")  # the choices that are columns of a table, not lines
AGAIN = "`python -m bench error_rates` simulates all studies again in about half an hour on two cores."

Line = Mapping[str, Any]


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per kind of studies: its choices, then each share with its interval."""
    lines = [{"id": row.id, **row.choices, **row.measures} for row in rows]
    place = {name: index for index, name in enumerate(SCENARIOS)}
    lines.sort(key=lambda one: [place[one["scenario"]], *(one[key] for key in ORDER)])
    return pd.DataFrame(lines, dtype=object).drop(columns="task")


def tables(rows: Sequence[Row]) -> list[Table]:
    """A table per scenario: a line per kind of studies and verdict, a column per number of seeds; in percent."""
    lines = records(frame(rows))
    choices = [key for key in rows[0].choices if key not in ("task", "scenario", *COLUMNS)]
    found = {name: [one for one in lines if one["scenario"] == name] for name in SCENARIOS}
    return [_table(name, mine, choices) for name, mine in found.items() if mine]


def sentences(rows: Iterable[Row]) -> list[str]:
    """How often each wrong verdict is given at most, where too often, and the seeds that the right ones take."""
    lines = records(frame(rows))
    often = [
        f"{_where(one)} ({_percent(one, name)} %: {WRONG[name]})"
        for one in lines
        for name in WRONG
        if _often(one, name)
    ]
    too_often = f"More often than in {LEVEL} of studies: {'; '.join(often) or 'none'}."
    return [*_worst(lines), too_often, *_power(lines)]


def sheet(rows: Iterable[Row]) -> Sheet:
    """The tables, the sentences and how to read them; a line per kind of studies for csv."""
    rows = list(rows)
    lines, found = frame(rows), sentences(rows)
    shown = [Section(one.caption, (one,)) for one in tables(rows)]
    parts: tuple[Part, ...] = (*shown, tuple(found), _notes(rows))
    made = page("How often a report is wrong", rows, *parts, AGAIN)
    return Sheet(parts, lines, {"sentences": found, "table": records(lines)}, made)


def _table(scenario: str, lines: Sequence[Line], choices: Sequence[str]) -> Table:
    """The choices that vary in the scenario name its lines, with the verdict."""
    labels = [key for key in choices if len({one[key] for one in lines}) > 1]
    columns = list(dict.fromkeys(map(_seeds, sorted(lines, key=lambda one: [one[key] for key in COLUMNS]))))
    found: dict[tuple[Any, ...], dict[str, Cell]] = defaultdict(dict)
    for one in lines:
        for name in VERDICTS:
            if _judged(one, name):
                found[(*(one[key] for key in labels), VERDICTS[name])][_seeds(one)] = _cell(one, name)
    cells = tuple(
        (*(Cell(str(label), label) for label in line), *(shares.get(column, Cell(DASH)) for column in columns))
        for line, shares in found.items()
    )
    header = (*labels, "verdict", *columns)
    return Table(f"error_rates_{scenario}", f"{scenario}: {SCENARIOS[scenario]}", header, cells, len(labels) + 1)


def _cell(one: Line, name: str) -> Cell:
    shown = interval(one[name], one[f"{name}_low"], one[f"{name}_high"], 1, PERCENT)
    return Cell(f"{shown} {OFTEN}" if _often(one, name) else shown, PERCENT * one[name])


def _judged(one: Line, name: str) -> bool:
    return one.get(name) is not None


def _often(one: Line, name: str) -> bool:
    return name in WRONG and _judged(one, name) and bool(one[f"{name}_low"] > ALPHA)


def _worst(lines: Sequence[Line]) -> Iterator[str]:
    for name, words in WRONG.items():
        if having := [one for one in lines if _judged(one, name)]:
            most = max(having, key=lambda one: one[name])
            where = f"in at most {_percent(most, name)} % of the studies of a kind ({_where(most)})"
            yield f"{sentence_case(words)} {where if most[name] else 'in no study'}."


def _power(lines: Sequence[Line]) -> Iterator[str]:
    """The lines come with rising n, of a kind of studies in two sizes the larger n last."""
    for name, words in RIGHT.items():
        enough: dict[str, int] = {}
        for one in lines:
            if _judged(one, name):
                kind = _kind(one)
                enough[kind] = enough.get(kind) or (one["n"] if one[name] >= POWER else 0)
        clauses = [
            f"{f'from n = {n} on' if n else 'at no n here'}{inside([kind for kind in enough if enough[kind] == n])}"
            for n in sorted({*enough.values()}, key=lambda n: n or math.inf)
        ]
        if enough:
            yield f"{sentence_case(words)} in {percent(POWER)} of cases or more {', '.join(clauses)}."


def _where(one: Line) -> str:
    return f"{_kind(one)}, {_seeds(one)}"


def _kind(one: Line) -> str:
    failing = f"{percent(one['failing'])} of {'one arm' if one['scenario'] == FAILING_ARM else 'all runs'} failing"
    parts = {
        f"sd {one['sd']:g}": True,
        f"one arm lower by {one['shift']:g}": one["scenario"] == LOWER,
        failing: one["failing"],
        "two modes": one["scenario"] == TWO_MODES,
    }
    return ", ".join(words for words, there in parts.items() if there)


def _seeds(one: Line) -> str:
    looks = f", looks at {listed([*map(str, one['looks'])])}" if one["looks"] else ""
    size = "" if (one["blocks"], one["arms"]) == LARGE else f", {one['blocks']} x {one['arms']}"
    return f"n = {one['n']}{looks}{size}"


def _percent(one: Line, name: str) -> str:
    return number(one[name], 1, PERCENT)


def _notes(rows: Sequence[Row]) -> str:
    counts = listed(sorted({f"{row.choices['simulations']:,}" for row in rows}), "or")
    return (
        f"In percent of {counts} simulated studies of each kind [95 % Wilson interval]: the studies with any such "
        "verdict, at any of their looks where they have some; of a pair, the share of all such pairs. A study has "
        f"{LARGE[0]} blocks of {LARGE[1]} arms, or as many as written, and is judged as a report judges it, from rows "
        "to sentences."
    )
