"""The row of a measurement of the suite.

In: what was chosen and measured. Out: a Row. Touches: nothing; the environment is read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bench.machine import environment
from bench.schema import OK, Row, Run

Numbers = dict[str, float | int | None]


def row_of(
    task: str,
    study: str,
    choices: Mapping[str, Any],
    measures: Numbers,
    curve: list[Numbers] | None = None,
    **about: Any,
) -> Row:
    """The row, with the environment, the time, and what else is known about the measurement."""
    chosen = {"task": task, **choices}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    there = {**environment.describe(), "finished": finished, **about}
    return Row(Run(study, chosen).id, study, OK, chosen, measures, curve or [], there)
