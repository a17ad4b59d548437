"""The command `status`: how far a study is, from a second shell or any machine that sees its folder.

In: settings. Out: text, and an exit code. Touches: nothing; rows and leases are read.
"""

import statistics
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from bench.commands.shared import answer, known_store
from bench.launch.progress import minutes
from bench.machine.settings import Settings
from bench.rows.leases import Lease
from bench.rows.unfit import sentences
from bench.schema import FINAL, Row

SHOWN = 20  # runs under way, in the text; all of them in JSON


def status(settings: Settings) -> int:
    """Print how far the last sweep of a study is, also while it runs in another shell."""
    store = known_store(settings)
    planned, reading = store.read_plan() or [], store.read(curves=False)
    rows = {id: reading.rows[id] for id in planned if id in reading.rows}
    count, left = Counter(row.status for row in rows.values()), [id for id in planned if not done(rows.get(id))]
    running = under_way(store.leases(settings.lease_expiry_seconds).read(), left)
    record = {"study": store.folder.name, "total": len(planned), "done": len(planned) - len(left), "left": len(left)}
    record |= {one: count[one] for one in ("ok", "diverged", "failed", "preempted")}
    record |= {"running": running, "seconds_left": seconds_left(rows.values(), len(left), len(running))}
    record |= {"rows": len(reading.rows), "unfit": sentences(reading.unfit), "remarks": reading.remarks}
    print(answer(record, as_text(record), settings))
    return 0


def done(row: Row | None) -> bool:
    """Whether the run of this row is done; a run without a row is not."""
    return row is not None and row.status in FINAL


def under_way(leases: Mapping[str, Lease], left: Collection[str]) -> list[dict[str, Any]]:
    """The runs that a living process holds, the oldest first."""
    holders = {id: leases[id].holder for id in left if id in leases and leases[id].alive}
    found = [
        {"id": id, "run": one.about, "host": one.host, "pid": one.pid, "seconds": round(time.time() - one.since, 1)}
        for id, one in holders.items()
    ]
    return sorted(found, key=lambda one: -one["seconds"])


def seconds_left(rows: Collection[Row], left: int, running: int) -> float | None:
    """The mean time of the finished runs, times the runs left, over those that run now; None where that is unknown."""
    took = [seconds for row in rows if done(row) and (seconds := row.measures.get("seconds"))]
    return round(statistics.fmean(took) * left / running, 1) if took and running and left else None


def as_text(record: Mapping[str, Any]) -> str:
    """The record as text."""
    if not record["total"]:
        return f"study {record['study']}: {record['rows']} rows; no sweep here has planned any runs of it"
    text = (
        "study {study}: {total} runs in its last sweep, {done} done ({ok} ok, {diverged} diverged, {failed} failed), "
        "{left} left ({preempted} stopped halfway); {rows} rows in all"
    )
    running = [
        "running on {host}, process {pid}, since {time}: {run} ({id})".format(**one, time=minutes(one["seconds"]))
        for one in record["running"]
    ]
    more = [f"... and {len(running) - SHOWN} more"] if len(running) > SHOWN else []
    ahead = [f"about {minutes(record['seconds_left'])} to go"] if record["seconds_left"] else []
    nothing = ["nothing runs; the same sweep again does what is left"] if record["left"] and not running else []
    return "\n".join(
        [text.format(**record), *running[:SHOWN], *more, *ahead, *nothing, *record["unfit"], *record["remarks"]]
    )
