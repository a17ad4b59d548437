"""The sweep: the runs of a plan that have no final row are packed and launched, until none is left.

In: a plan, a launcher, settings. Out: rows in the store. Touches: results/ through rows, processes through Hydra.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.rows import tracking
from bench.rows.store import Reading, Store
from bench.runs import pack
from bench.runs.plan import Plan
from bench.runs.progress import Progress
from bench.schema import FAILED, FINAL, Row, Run, UserError

Launch = Callable[[list[str]], None]  # takes one override per pack, returns when all processes have ended


def sweep(plan: Plan, store: Store, launch: Launch, settings: Mapping[str, Any]) -> None:
    """Train what is missing. Runs whose process dies are launched again in packs of one, then recorded as failed.

    Raises UserError, before anything is trained, for a mistake in the plan or the data.
    """
    store.prepare()
    tracking.check(settings["tracking"])
    reading = store.read()
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    missing = left(plan.runs, reading, settings["retry"])
    if missing:
        rehearse(missing, settings)
        store.make_way(run.id for run in missing)
    store.write_plan(run.id for run in plan.runs)
    if missing:
        train(missing, store, launch, settings, Progress(store, plan.runs, missing))


def left(runs: Sequence[Run], reading: Reading, retry: str | None) -> list[Run]:
    """The runs to do: those without a final row or, with retry=failed, those with a failed one."""
    if retry not in (None, "failed"):
        raise UserError(f"retry={retry} is not known; write retry=failed, or leave it out")
    status = {id: row.status for id, row in reading.rows.items()}
    if retry == "failed":
        return [run for run in runs if status.get(run.id) == FAILED]
    return [run for run in runs if status.get(run.id) not in FINAL]


def rehearse(runs: Sequence[Run], settings: Mapping[str, Any]) -> dict[object, float]:
    """Seconds per run, expected, by shape; torch is brought in here, so that a finished study answers without it."""
    from bench.runs import perform, rehearsal

    return rehearsal.rehearse(runs, perform.machine_of(settings))


def train(missing: list[Run], store: Store, launch: Launch, settings: Mapping[str, Any], progress: Progress) -> None:
    """Launch until every run has a row. A killed process takes its queue along, so only idle rounds are counted."""
    idle, size = 0, settings["packing"]
    with progress:
        while missing and idle < settings["attempts"]:
            try:
                launch([pack.as_override(runs) for runs in pack.packs(missing, size)])
            except UserError:
                raise
            except Exception as died:
                cause = f"{type(died).__name__}: {died}".partition("\n")[0]
                print(f"a process died ({cause}); what is missing is launched again", file=sys.stderr)
            still = [run for run in missing if run.id not in progress.look()]
            idle = idle + 1 if len(still) == len(missing) else 0
            missing, size = still, 1
        for run in missing:
            store.write(failed(run, settings["attempts"]))


def failed(run: Run, attempts: int) -> Row:
    """The row of a run that never came back."""
    from bench.runs.perform import failed_row

    return failed_row(run, "killed", f"its process died in {attempts} attempts one after the other")
