"""Whether rows have expired: whether the code of today still makes them.

Rows that the code at their commit made, where nothing under bench/ has changed since, are current. Of other rows a few
runs are begun again: their first step depends on the data, the network and its weights, their first epoch on all that
trains it. Another processor or torch rounds otherwise, which the limits below allow for.

In: rows, and how such runs begin today. Out: an Expiry. Touches: the git repository of the package, read only.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bench.machine.environment import git
from bench.schema import Row

PACKAGE = Path(__file__).parents[1]
CURRENT, STARTS, EXPIRED, UNKNOWN = "current", "starts the same", "expired", "not known"
# relative. Seen where sums round otherwise: 4e-7, 4e-4 (of a relu whose input passes zero) and 0.009
LIMITS = {"initial_loss": 1e-4, "initial_gradient_norm": 5e-3, "train_loss": 0.02}
Beginning = Mapping[str, float | None]  # measures of the first step, and the train loss of the first epoch


@dataclass(frozen=True)
class Expiry:
    """Whether rows are those that the code of today makes.

    begun: how many runs were begun again. differs: of the first run that begins otherwise, its id, a measure, and
    what it was and is. reason: why it is not known.
    """

    status: str
    commits: tuple[str, ...]
    begun: int = 0
    differs: tuple[str, str, float | None, float | None] | None = None
    reason: str = ""


def commits(rows: Iterable[Row]) -> tuple[str, ...]:
    """The commits of rows, twelve digits each."""
    return tuple(sorted({str(row.environment["git_commit"])[:12] for row in rows if row.environment.get("git_commit")}))


def unchanged(rows: Iterable[Row]) -> bool:
    """Whether these rows were made by the code and the torch of today, as far as git can say."""
    made = {(row.environment.get("git_commit"), row.environment.get("git_dirty")) for row in rows}
    torch = {row.environment.get("torch") for row in rows}
    if torch != {metadata.version("torch")} or any(not commit or dirty for commit, dirty in made):
        return False
    tracked = git(PACKAGE, "ls-files", "--", "__init__.py")
    return bool(tracked) and all(git(PACKAGE, "diff", "--quiet", str(commit), "--", ".") == "" for commit, _ in made)


def compared(rows: Sequence[Row], now: Sequence[Beginning]) -> Expiry:
    """What follows from runs that were begun again, each with the row that it has."""
    for row, today in zip(rows, now, strict=True):
        for measure, value in today.items():
            then = beginning(row)[measure]
            if not _same(then, value, LIMITS[measure]):
                return Expiry(EXPIRED, commits(rows), len(rows), (row.id, measure, then, value))
    trained = any("train_loss" in today for today in now)
    return Expiry(CURRENT if trained else STARTS, commits(rows), len(rows))


def beginning(row: Row) -> Beginning:
    """How a run began, by its row."""
    epoch = {"train_loss": row.curve[0].get("train_loss")} if row.curve else {}
    return {measure: row.measures.get(measure) for measure in LIMITS if measure != "train_loss"} | epoch


def _same(then: float | None, now: float | None, limit: float) -> bool:
    """None is a number that was not finite."""
    if then is None or now is None or not math.isfinite(now):
        return then is None and (now is None or not math.isfinite(now))
    return math.isclose(then, now, rel_tol=limit)
