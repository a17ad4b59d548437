"""Rows and findings as frames for pandas: one line per run, per arm in a block, per pair in a block.

In: rows, or findings. Out: DataFrames. Touches: nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair
from bench.schema import Row, UserError

Record = dict[str, Any]  # one line: its fields by name, None where there is no number


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per run, sorted by id: id, study, status, every choice, every measure, then environment.* and error.*.

    What a run lacks is missing in its line (NaN). A measure that shares its name with a choice is called measure.NAME.
    Units are those of the row: fractions, seconds, bytes.
    Raises UserError for no rows, and for a run that stands in them twice, since it would count twice.
    """
    rows = checked(rows)
    # as objects first: pandas would turn the choice 2 into 2.0 beside a missing one, and those are two runs
    table = pd.DataFrame([{**of_run(row), **_of_its_machine(row)} for row in rows], dtype=object)
    for column in table:
        if table[column].map(type).nunique() == 1:
            table[column] = table[column].infer_objects()
    measures = {_measure(row, name) for row in rows for name in row.measures}
    return table.astype(dict.fromkeys(measures, float))


def checked(rows: Iterable[Row]) -> list[Row]:
    """The rows sorted by id. Raises UserError where there are none, and where one stands twice."""
    rows = sorted(rows, key=lambda row: row.id)
    if not rows:
        raise UserError("there are no rows to report; make some with `python -m bench sweep`")
    for id, count in Counter(row.id for row in rows).items():
        if count > 1:
            raise UserError(f"run {id} stands {count} times in these rows; keep one of them, or it would count twice")
    return rows


def arms(findings: Sequence[Finding]) -> list[Record]:
    """One line per block and arm: the block's choices, then counts, means and their bounds as fractions."""
    return [{**finding.choices, **_of_arm(one)} for finding in findings for one in finding.arms]


def pairs(found: Iterable[tuple[Finding, Pair]]) -> list[Record]:
    """One line per block and pair of arms: the block's choices, the verdict, then both endpoints in points."""
    return [{**finding.choices, **of_pair(pair)} for finding, pair in found]


def of_pair(pair: Pair) -> Record:
    """The fields of a pair in one line; those of an endpoint begin with accuracy_ or rate_."""
    both = {"accuracy": pair.accuracy, "rate": pair.rate}
    return {
        "initializer": pair.initializer,
        "other": pair.other,
        "verdict": pair.verdict,
        "seeds": pair.seeds,
        "covers": pair.covers,
        "equivalence_p_adjusted": pair.equivalence_p_adjusted,
        **{f"{name}_{key}": value for name, endpoint in both.items() for key, value in vars(endpoint).items()},
    }


def table(records: Sequence[Record]) -> pd.DataFrame:
    """Records as a frame in which each value keeps its type: beside a missing one pandas would print 6 as 6.0."""
    return pd.DataFrame(records, dtype=object)


def _of_arm(one: Arm) -> Record:
    reached, rate = one.accuracy, one.rate
    return {
        "initializer": one.name,
        "runs": one.runs,
        "trained": one.trained,
        "stalled": one.stalled,
        "diverged": one.diverged,
        "failed": one.failed,
        "preempted": one.preempted,
        "training_rate": rate.value if rate else None,
        "training_rate_low": rate.low if rate else None,
        "training_rate_high": rate.high if rate else None,
        "accuracy_mean": reached.value if reached else None,
        "accuracy_low": reached.low if reached else None,
        "accuracy_high": reached.high if reached else None,
        "accuracy_covers": one.covers,
        "accuracy_of_all_mean": one.mean_of_all,
        "first_epoch_accuracy_mean": one.first_epoch_accuracy,
        "seconds_mean": one.seconds,
    }


def of_run(row: Row) -> Record:
    """The fields of a run in one line: id, study, status, every choice, every measure."""
    measures = {_measure(row, name): value for name, value in row.measures.items()}
    return {"id": row.id, "study": row.study, "status": row.status, **row.choices, **measures}


def _of_its_machine(row: Row) -> Record:
    return {
        **{f"environment.{key}": value for key, value in row.environment.items()},
        **{f"error.{key}": value for key, value in (row.error or {}).items()},
    }


def _measure(row: Row, name: str) -> str:
    return f"measure.{name}" if name in row.choices else name
