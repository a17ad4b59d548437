"""Throughput rows as a table: elements per second, ratios within blocks with intervals, shares of the limits.

In: the rows of `python -m bench throughput`. Out: text. Touches: nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.benchmarks import ratios as rates
from bench.benchmarks.ratios import percent, ratio, ratios, records, spread, three_digits, times_as_fast
from bench.report.grid import Cells
from bench.report.terminal import aligned, piped, wrapped
from bench.schema import Row

OURS, REFERENCE, CONTROL, LIMITS = "initbench", "torch.nn.init", "torch.nn.init again", ("generator", "memory")
MILLION = 1e6
VERSIONS = ("torch", "timm", "keras", "jax")
NOTES = (
    "Millions of elements per second, the median over blocks [the slowest and the fastest block]; the other libraries "
    "by their median. Ratio: how many times as fast as torch.nn.init, the geometric mean over blocks with its 95 % t "
    "interval. Of generator, of memory: our speed as a share of one stream of torch's generator, and of writing zeros, "
    "both over as many elements in one tensor; orthogonal weights wait for LAPACK instead. Of a model, weights are "
    "counted; its biases and norms are set as well, the norms' running statistics by initbench alone."
)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per case and library, the cases by size; rates in elements per second, ratios to torch.nn.init."""
    ordered = sorted(rows, key=lambda row: (row.measures["elements"], row.choices["target"], row.choices["law"]))
    return pd.DataFrame([line for row in ordered for line in lines(row)])


def lines(row: Row) -> list[dict[str, Any]]:
    """What a row says of each of its libraries."""
    names = dict.fromkeys(name for block in row.curve for name in block if name != "block")
    times = {name: [block.get(name) for block in row.curve] for name in names}
    seconds = {name: np.array(each, dtype=float) for name, each in times.items() if None not in each}
    about = {"id": row.id, **{key: row.choices[key] for key in ("law", "target", "device", "threads")}}
    return [{**about, "elements": row.measures["elements"], **line(name, seconds, row)} for name in seconds]


def line(library: str, seconds: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The speed of one library in one case. `seconds` has one time per block for each library."""
    elements = float(row.measures["elements"] or 0)
    return {
        "library": library,
        "blocks": len(seconds[library]),
        "elements_per_second": elements / float(np.median(seconds[library])),
        "slowest_block": elements / float(seconds[library].max()),
        "fastest_block": elements / float(seconds[library].min()),
        **ratios(times_as_fast(seconds[library], seconds.get(REFERENCE))),
        **{f"of_{limit}": share(seconds[library], seconds.get(limit)) for limit in LIMITS},
    }


def share(ours: Any, limit: Any) -> float | None:
    """The speed as a share of a limit's, the median over blocks."""
    return None if limit is None else float(np.median(limit / ours))


def control(table: pd.DataFrame) -> dict[str, Any]:
    """What torch.nn.init against itself says of this method."""
    return rates.control(table[table["library"] == CONTROL])


def sentences(table: pd.DataFrame) -> list[str]:
    """How far the numbers can be trusted, and where ours is the slower one."""
    ours = table[table["library"] == OURS]
    slower = [f"{one['law']} {one['target']}" for one in records(ours) if (one["ratio_high"] or 1) < 1]
    told = f"Slower than torch.nn.init: {', '.join(slower) or 'no case'}."
    return [*rates.of_control(control(table), REFERENCE), told]


def cells(table: pd.DataFrame) -> Cells:
    """One line per case: our speed, that of the others, the ratio, the shares."""
    peers = [name for name in dict.fromkeys(table["library"]) if name not in (OURS, CONTROL, *LIMITS)]
    header = ["law", "target", "initbench", *peers, "ratio", "of generator", "of memory"]
    cases = [{one["library"]: one for one in records(case)} for _, case in table.groupby("id", sort=False)]
    return [header, *(_case(case, peers) for case in cases if OURS in case)]


def _case(case: Mapping[str, dict[str, Any]], peers: Sequence[str]) -> list[str]:
    ours = case[OURS]
    rate = spread(ours, "elements_per_second", MILLION)
    others = [_millions(case[name]["elements_per_second"]) if name in case else "-" for name in peers]
    return [ours["law"], ours["target"], rate, *others, ratio(ours), *(percent(ours[f"of_{one}"]) for one in LIMITS)]


def _millions(rate: float) -> str:
    return three_digits(rate / MILLION)


def places(rows: Iterable[Row]) -> str:
    """On what the rows were measured, and next to which versions."""
    found: dict[str, None] = {}
    for row in rows:
        there = [f"{name} {row.environment[name]}" for name in VERSIONS if row.environment.get(name)]
        threads, blocks = row.choices["threads"], row.choices["blocks"]
        found[f"{row.environment['device_name']}, {threads} threads, {blocks} blocks; {', '.join(there)}."] = None
    return " ".join(found)


def render(rows: Iterable[Row], format: str = "text", width: int = 100) -> str:
    """The rows as text, markdown, csv (a line per case and library, full precision) or json (strict)."""
    rows = list(rows)
    table = frame(rows)
    if format == "csv":
        return str(table.to_csv(index=False, lineterminator="\n"))
    told = [places(rows), *sentences(table)]
    if format == "json":
        document = {"sentences": told, "control": control(table), "table": records(table)}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "markdown":
        return "\n\n".join(["\n".join(piped(cells(table))), " ".join(told), NOTES]) + "\n"
    return "\n".join([*aligned(cells(table)), "", *wrapped(" ".join(told), width), "", *wrapped(NOTES, width)]) + "\n"
