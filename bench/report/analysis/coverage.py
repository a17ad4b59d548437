"""How often each kind of interval covers in simulation, and what that means for the intervals of a report.

In: the rows of `python -m bench coverage`. Out: a frame, sentences. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from bench.report.statistics.intervals import MANY, method
from bench.report.statistics.simulation import SHAPES
from bench.schema import Row

SLACK = 0.02  # coverage may be off its level by this: 93 to 97 % for 95 % intervals
NAMES = {"t": "Student's t", "studentized": "the studentized bootstrap", "bca": "the BCa bootstrap"}


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per case in the order of shapes, runs and methods: its choices, its measures, `covers` and `used`.

    `covers`: whether coverage lies within 2 points of the level. `used`: whether the report would take this method for
    as many values as these means have.
    """
    lines = [{"id": row.id, **row.choices, **row.measures} for row in rows]
    table = pd.DataFrame(lines).drop(columns="task")
    off = (table["coverage"] - table["level"]).abs()
    table["covers"] = off <= SLACK + 1e-9  # 0.97 - 0.95 is a little more than 0.02
    table["used"] = [one.method == method(int(one.values)) for one in table.itertuples()]
    place = {name: index for index, name in enumerate((*SHAPES, *NAMES))}
    return table.sort_values(
        ["level", "shape", "n", "method"], key=lambda column: column.map(lambda one: place.get(one, one))
    ).reset_index(drop=True)


def sentences(rows: Iterable[Row]) -> list[str]:
    """Which method a report uses, and where that does not cover."""
    used = frame(rows).query("used")
    found = [f"Of fewer than {MANY} values the report takes {NAMES[method(2)]}, from {MANY} on {NAMES[method(MANY)]}."]
    good, bad = used[used["covers"]], used[~used["covers"]]
    if len(used):
        share = f"{100 * SLACK:g} points of their level"
        found.append(f"These cover within {share} in {len(good)} of {len(used)} simulated cases.")
    if len(bad):
        found.append(f"It does not for {'; '.join(_cases(bad))}.")
    return found


def note(rows: Iterable[Row], sizes: Iterable[int]) -> str:
    """The sentence for a report whose means have these numbers of values; empty where its intervals cover.

    Each number is judged by the nearest simulated one that is not larger, or the smallest. Empty without simulations.
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
    return [f"{shape.replace('_', ' ')} ({', '.join(cases)})" for shape, cases in found.items()]
