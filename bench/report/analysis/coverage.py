"""Coverage rows as a table: how often each kind of interval covers, and whether the report uses it there.

In: the rows of `python -m bench coverage`. Out: text. Touches: nothing.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.report.grid import Cells
from bench.report.statistics.intervals import MANY, method
from bench.report.statistics.simulation import SHAPES
from bench.report.terminal import aligned, piped, wrapped
from bench.schema import Row

SLACK = 0.02  # coverage may be off its level by this: 93 to 97 % for 95 % intervals
USED, FAILS, UNUSED = "used", "used, does not cover", "not used"
NAMES = {"t": "Student's t", "studentized": "the studentized bootstrap", "bca": "the BCa bootstrap"}


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per case in the order of shapes, runs and methods: its choices, its measures, `covers` and `used`.

    `covers`: whether coverage lies within 2 points of the level. `used`: whether the report would take this method for
    as many values as these means have.
    """
    lines = [{"id": row.id, **row.choices, **row.measures} for row in rows]
    table = pd.DataFrame(lines).drop(columns="task")
    table["covers"] = (
        table["coverage"] - table["level"]
    ).abs() <= SLACK + 1e-9  # 0.97 - 0.95 is a little more than 0.02
    table["used"] = [one.method == method(int(one.values)) for one in table.itertuples()]
    place = {name: index for index, name in enumerate((*SHAPES, *NAMES))}
    return table.sort_values(
        ["level", "shape", "n", "method"], key=lambda column: column.map(lambda one: place.get(one, one))
    ).reset_index(drop=True)


def word(covers: bool, used: bool) -> str:
    """What the table says of a case."""
    return (USED if covers else FAILS) if used else UNUSED


def cells(rows: Iterable[Row]) -> Cells:
    """One line per shape and number of runs, one column per method: its coverage in percent, and whether it is used."""
    table = frame(rows)
    methods = [name for name in NAMES if name in set(table["method"])]
    found = {(one["level"], one["shape"], one["n"], one["method"]): one for one in table.to_dict("records")}
    lines = dict.fromkeys(key[:3] for key in found)
    several = table["level"].nunique() > 1
    return [
        [*(["level"] if several else []), "shape", "n", *methods],
        *(
            [
                *([f"{100 * level:g}"] if several else []),
                shape,
                str(n),
                *(_cell(found.get((level, shape, n, name))) for name in methods),
            ]
            for level, shape, n in lines
        ),
    ]


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return "-"
    low, high = 100 * one["coverage_low"], 100 * one["coverage_high"]
    return f"{100 * one['coverage']:.1f} [{low:.1f}, {high:.1f}] {word(one['covers'], one['used'])}"


def sentences(rows: Iterable[Row]) -> list[str]:
    """What the report uses, and where that does not cover."""
    used = frame(rows).query("used")
    told = [f"Of fewer than {MANY} values the report takes {NAMES[method(2)]}, from {MANY} on {NAMES[method(MANY)]}."]
    good, bad = used[used["covers"]], used[~used["covers"]]
    if len(used):
        share = f"{100 * SLACK:g} points of its level"
        told.append(f"What it uses covers within {share} in {len(good)} of {len(used)} cases.")
    if len(bad):
        told.append(f"It does not for {'; '.join(_cases(bad))}.")
    return told


def note(rows: Iterable[Row], sizes: Iterable[int]) -> str:
    """What a report should say of its intervals, whose means have these numbers of values; empty where all is well
    or nothing was simulated.

    Each number is judged by the nearest simulated one that is not larger, or the smallest.
    """
    rows = [row for row in rows if row.choices.get("task") == "coverage"]
    if not rows:
        return ""
    table = frame(rows)
    simulated = sorted(set(table["n"]))
    near = {max([n for n in simulated if n <= size], default=simulated[0]) for size in sizes if size > 1}
    used = table[table["used"] & table["n"].isin(near)]
    bad = used[~used["covers"]]
    if bad.empty:
        return ""
    return (
        f"Simulated, intervals as used here do not cover within {100 * SLACK:g} points of their level where values are "
        f"{'; '.join(_cases(bad))}. The study `coverage` has the laws and all cases."
    )


def _cases(table: pd.DataFrame) -> list[str]:
    """Each shape with its numbers of runs and their coverage: `skewed: 92.0 % at n = 5, 92.4 % at n = 10`."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in table.to_dict("records"):
        found[one["shape"]].append(f"{100 * one['coverage']:.1f} % at n = {one['n']}")
    return [f"{shape.replace('_', ' ')} ({', '.join(told)})" for shape, told in found.items()]


def shapes(rows: Iterable[Row]) -> str:
    """The laws behind the names of the shapes in these rows."""
    there = {row.choices["shape"] for row in rows}
    return "Shapes: " + "; ".join(f"{name}: {shape.law}" for name, shape in SHAPES.items() if name in there) + "."


def notes(rows: Sequence[Row]) -> str:
    """How to read the table."""
    counts = " or ".join(str(count) for count in sorted({row.choices["simulations"] for row in rows}))
    return (
        f"Coverage in percent of {counts} simulated arms of n runs [95 % Wilson interval]; an arm with fewer than two "
        f"values has no interval. Does not cover: more than {100 * SLACK:g} points off the level. {shapes(rows)}"
    )


def render(rows: Iterable[Row], format: str = "text", width: int = 100) -> str:
    """The rows as text, markdown, csv (a line per case, full precision) or json (strict)."""
    rows = list(rows)
    if format == "csv":
        return str(frame(rows).to_csv(index=False, lineterminator="\n"))
    told = sentences(rows)
    if format == "json":
        records = [
            {str(key): None if pd.isna(one) else one for key, one in line.items()}
            for line in frame(rows).to_dict("records")
        ]
        document = {"sentences": told, "table": records}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "markdown":
        return "\n\n".join(["\n".join(piped(cells(rows))), " ".join(told), notes(rows)]) + "\n"
    ending = [*wrapped(" ".join(told), width), "", *wrapped(notes(rows), width)]
    return "\n".join([*aligned(cells(rows)), "", *ending]) + "\n"
