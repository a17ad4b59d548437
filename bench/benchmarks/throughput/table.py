"""Throughput rows as a table: elements per second, ratios within blocks with intervals, shares of the limits.

In: the rows of `python -m bench throughput`. Out: a Table, sentences, a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.benchmarks import ratios as rates
from bench.benchmarks.ratios import block_rates, ratio, ratios, spread, times_as_fast
from bench.report.document import Cell, Sheet, Table, records
from bench.report.tables.page import page
from bench.report.wording.format import DASH, three_digits
from bench.schema import Row

OURS, REFERENCE, CONTROL, LIMITS = "initbench", "torch.nn.init", "torch.nn.init again", ("generator", "memory")
MILLION = 1e6
VERSIONS = ("torch", "timm", "keras", "jax")
CAPTION = "Speed of filling weights, by law and target."
NOTES = (
    "Millions of elements per second, the median over blocks [the slowest and the fastest block]; the other libraries "
    "by their median. Ratio: how many times as fast as torch.nn.init, the geometric mean over blocks with its 95 % t "
    "interval. Of generator, of memory: our speed as a share of one stream of torch's generator, and of writing zeros, "
    "both over as many elements in one tensor; orthogonal weights wait for LAPACK instead. Of a model, weights are "
    "counted; its biases and norms are set as well, the norms' running statistics by initbench alone."
)

AGAIN = (
    "Large weights are drawn by as many streams as torch has threads, and a seed gives the same numbers for any count "
    "of them; only the rounding of orthogonal weights, which wait for LAPACK, depends on it. The truncated normal law "
    "draws again what falls outside, and nothing else. `python -m bench throughput` measures all cases again in about "
    "twelve minutes, with the peers after `pip install timm keras jax`."
)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per case and library, the cases by size; rates in elements per second, ratios to torch.nn.init."""
    ordered = sorted(rows, key=lambda row: (row.measures["elements"], row.choices["target"], row.choices["law"]))
    return pd.DataFrame([line for row in ordered for line in lines(row)])


def lines(row: Row) -> list[dict[str, Any]]:
    """One line per library of a row."""
    names = dict.fromkeys(name for block in row.curve for name in block if name != "block")
    times = {name: [block.get(name) for block in row.curve] for name in names}
    seconds = {name: np.array(each, dtype=float) for name, each in times.items() if None not in each}
    about = {"id": row.id, **{key: row.choices[key] for key in ("law", "target", "device", "threads")}}
    return [{**about, "elements": row.measures["elements"], **line(name, seconds, row)} for name in seconds]


def line(library: str, seconds: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The speed of one library in one case. `seconds` has one time per block for each library."""
    return {
        "library": library,
        **block_rates("elements", float(row.measures["elements"] or 0), seconds[library]),
        **ratios(times_as_fast(seconds[library], seconds.get(REFERENCE))),
        **{f"of_{limit}": share(seconds[library], seconds.get(limit)) for limit in LIMITS},
    }


def share(ours: Any, limit: Any) -> float | None:
    """The speed as a share of a limit's, the median over blocks."""
    return None if limit is None else float(np.median(limit / ours))


def control(table: pd.DataFrame) -> dict[str, Any]:
    """The error of this method, by torch.nn.init against itself."""
    return rates.control(table[table["library"] == CONTROL])


def sentences(rows: Sequence[Row]) -> list[str]:
    """Where it was measured, how far the numbers can be trusted, and where ours is the slower one."""
    lines = frame(rows)
    ours = records(lines[lines["library"] == OURS])
    slower = [f"{one['law']} {one['target']}" for one in ours if (one["ratio_high"] or 1) < 1]
    return [
        _places(rows),
        *rates.of_control(control(lines), REFERENCE),
        f"Slower than {REFERENCE}: {', '.join(slower) or 'no case'}.",
    ]


def table(rows: Iterable[Row]) -> Table:
    """Per case: our speed in millions of weights per second, that of the others, the ratio, the shares in percent."""
    lines = frame(rows)
    peers = [name for name in dict.fromkeys(lines["library"]) if name not in (OURS, CONTROL, *LIMITS)]
    cases = [{one["library"]: one for one in records(case)} for _, case in lines.groupby("id", sort=False)]
    header = ("law", "target", OURS, *peers, "ratio", *(f"of {limit}" for limit in LIMITS))
    cells = tuple(tuple(_cells(case, peers)) for case in cases if OURS in case)
    return Table("speed", CAPTION, header, cells, labels=2, axes=("law", "target"))


def sheet(rows: Iterable[Row]) -> Sheet:
    """The table, the sentences and how to read them; a line per case and library for csv."""
    rows = list(rows)
    lines, found = frame(rows), sentences(rows)
    record = {"sentences": found, "control": control(lines), "table": records(lines)}
    shown, said = table(rows), " ".join(found)
    made = page("How fast weights are drawn", rows, said, shown, NOTES, AGAIN)
    return Sheet((shown, said, NOTES), lines, record, made)


def _cells(case: Mapping[str, dict[str, Any]], peers: Sequence[str]) -> list[Cell]:
    ours = case[OURS]
    rate = spread(ours, "elements_per_second", MILLION)
    others = [_millions(case[name]["elements_per_second"]) if name in case else Cell(DASH) for name in peers]
    shares = (rates.share(ours[f"of_{limit}"]) for limit in LIMITS)
    return [Cell(ours["law"]), Cell(ours["target"]), rate, *others, ratio(ours), *shares]


def _millions(rate: float) -> Cell:
    return Cell(three_digits(rate / MILLION), rate / MILLION)


def _places(rows: Iterable[Row]) -> str:
    """The machine, the threads and blocks, and the versions of the libraries."""
    found: dict[str, None] = {}
    for row in rows:
        versions = [f"{name} {row.environment[name]}" for name in VERSIONS if row.environment.get(name)]
        threads, blocks = row.choices["threads"], row.choices["blocks"]
        found[f"{row.environment['device_name']}, {threads} threads, {blocks} blocks; {', '.join(versions)}."] = None
    return " ".join(found)
