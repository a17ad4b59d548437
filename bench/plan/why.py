"""Why a run is done, or would be done again, and which of its choices changed.

In: an id, the runs that a study declares, what its folder holds. Out: a reason. Touches: nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.rows.store import Reading
from bench.schema import FAILED, FINAL, Row, Run, UserError

ABSENT = "absent"
SHOWN = 5  # ids of a prefix that begins several


@dataclass(frozen=True)
class StudyState:
    """A study: the runs that it declares now by id, its rows, and the ids of its last plan.

    `declared` is None where only the command line of the last sweep named the runs.
    """

    study: str
    declared: Mapping[str, Run] | None
    reading: Reading
    planned: Sequence[str]

    def find(self, prefix: str) -> str | None:
        """The only id that begins with `prefix`; None where none does. Raises UserError for several."""
        known = {
            *self.reading.rows,
            *self.reading.unread,
            *self.reading.left_out,
            *(self.declared or ()),
            *self.planned,
        }
        ids = sorted(id for id in known if id.startswith(prefix))
        if len(ids) > 1:
            some = ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
            raise UserError(f"{len(ids)} ids of study {self.study} begin with {prefix} ({some}); give more digits")
        return ids[0] if ids else None


@dataclass(frozen=True)
class Reason:
    """Whether the next sweep of the study would do the run, and why.

    `nearest` is the id with the most choices in common: of a row, for a run without one; of a declared run, for a row
    whose run is not declared. `changed` maps each choice that differs to [of the row, of the declared run]. Both are
    empty where there is nothing to compare.
    """

    study: str
    id: str
    again: bool
    because: str
    nearest: str = ""
    changed: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """In two sentences at most."""
        verdict = "would be done" if self.again else "would be skipped"
        sentence = f"study {self.study}: {self.id} {verdict}: {self.because}"
        changes = ", ".join(f"{key} {_shown(was)} -> {_shown(now)}" for key, (was, now) in self.changed.items())
        kind = "row" if self.again else "run that it asks for"
        return f"{sentence}. The nearest {kind} is {self.nearest}: {changes}" if changes else sentence


def explain(state: StudyState, id: str) -> Reason:
    """The reason for one id of a study."""
    row, run, declared = state.reading.rows.get(id), (state.declared or {}).get(id), state.declared
    if row and (run or declared is None):
        return Reason(state.study, id, row.status not in FINAL, _status_of(row))
    if row and declared:
        near = nearest(row.choices, {other.id: other.choices for other in declared.values()})
        because = f"it has a row ({row.status}), but the study does not ask for this run now"
        return Reason(state.study, id, False, because, near, differences(row.choices, declared[near].choices))
    if arm := state.reading.left_out.get(id):
        return Reason(state.study, id, False, f"{arm.about}: {arm.reason}")
    because = state.reading.unread.get(id, "it has no row")
    if run and id not in state.reading.unread:
        near = nearest(run.choices, {other.id: other.choices for other in state.reading.rows.values()})
        changed = differences(state.reading.rows[near].choices, run.choices) if near else {}
        return Reason(state.study, id, True, because, near, changed)
    if run or declared is None:
        return Reason(state.study, id, True, because)
    return Reason(state.study, id, False, f"{because}, and the study does not ask for this run now")


def nearest(choices: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """The id of the choices that differ in the fewest keys, "" for none."""
    return min(others, key=lambda id: (len(differences(choices, others[id])), id), default="")


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """[was, now] of each choice that differs."""
    pairs = {key: [was.get(key, ABSENT), now.get(key, ABSENT)] for key in sorted({*was, *now})}
    return {key: pair for key, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}  # repr: 1 is not True


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _status_of(row: Row) -> str:
    if row.status == FAILED:
        error = row.error or {}
        return f"it failed ({error.get('class')}: {error.get('cause')}); retry=failed does it again"
    if row.status in FINAL:
        return f"its row is whole and says {row.status}"
    return f"its row says {row.status}: it goes on where it was stopped"
