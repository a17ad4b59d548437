"""The command `verify`: whether a study's rows can be believed. It goes through the sweeper, which composes the study.

In: how to compose, the settings. Out: text, and an exit code. Touches: nothing; rows are read.
"""

from collections.abc import Mapping
from typing import Any

from bench.commands.settings import known_store, shown
from bench.plan.plan import Compose, plan, typed
from bench.rows import raw
from bench.rows import verify as rows
from bench.rows.store import Store
from bench.schema import UserError


def verify(compose: Compose, launch: Any, settings: Mapping[str, Any]) -> int:
    """Check a study's rows and the table made of them by a path of its own; 1, with the list, for what is wrong."""
    from bench.report.recount import recount

    store, findings = known_store(settings), raw.Findings(list)
    found = raw.read(store.folder, findings)
    if not found and not findings:
        raise UserError(f"study {store.folder.name} has a plan and no row, so there is nothing to verify")
    asked = planned(compose, store, settings)
    rows.check(found, asked, typed("mixed", settings["mixed"], False), findings)
    recount(found, store.read(curves=False).rows, settings, findings)
    wrong, notes = raw.told(findings), rows.notes(found, asked)
    said = {"study": store.folder.name, "rows": len(found), "wrong": wrong, "notes": notes}
    head = f"study {store.folder.name}: {len(found)} whole rows, {len(wrong) or 'nothing'} wrong"
    lines = [head, *(f"  wrong: {line}" for line in wrong), *(f"  note: {line}" for line in notes)]
    print(shown(said, "\n".join(lines), settings))
    return int(bool(wrong))


def planned(compose: Compose, store: Store, settings: Mapping[str, Any]) -> list[str] | None:
    """The ids that the study should hold: by its yaml or this command line, else what its last sweep set out to do."""
    if settings["study"]["axes"] or settings["overrides"]:
        return [run.id for run in plan(compose, settings["study"], settings["overrides"]).runs]
    return store.read_plan()
