"""Mirrors rows in Weights & Biases, which is never read back and never stops a run.

In: rows. Out: a W&B run for each row, or one for a whole study, offline or online. Touches: results/STUDY/wandb, and in
online mode the network.
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.machine.files import write_whole
from bench.machine.settings import Tracking
from bench.rows.redaction import redacted
from bench.schema import Row, UserError

GRACE_S = 5  # for W&B to time out by itself before we stop waiting
ROW_S = 0.01  # for a row of a table, in which W&B checks the type of every cell: ten times what two cores take

Lines = Mapping[str, Sequence[tuple[float, float]]]

_gave_up = False  # one failure turns the mirror off in this process: a blocked network is waited for once


@dataclass(frozen=True)
class StudyLog:
    """What W&B shows of a study.

    `rows` are those of its runs that ended, `records` the same as one line of a table for each. `curves` has by measure
    and line its points, (epoch, value).
    """

    name: str
    rows: Sequence[Row]
    records: Sequence[Mapping[str, Any]]
    curves: Mapping[str, Lines]


def mirror(row: Row, tracking: Tracking, folder: Path) -> None:
    """Send one row to W&B; on the first failure, print the reason and stop trying. Never raises, ends in `limit_s`."""
    if not is_off(tracking) and tracking.per == "run":
        _try(lambda: _send(row, tracking, folder))


def mirror_study(read: Callable[[], StudyLog], tracking: Tracking, folder: Path) -> None:
    """Send a study to its one W&B run, where it has rows that W&B has not; a failure is handled as `mirror` does."""
    if not is_off(tracking) and tracking.per == "study":
        _try(lambda: _send_study(read, tracking, folder))


def sync(read: Callable[[], StudyLog], tracking: Tracking, folder: Path) -> tuple[int, int]:
    """Send the rows that this mode has not sent yet; returns (rows sent, rows skipped).

    Raises UserError when there is no key, and at the first row that W&B does not take.
    """
    if is_off(tracking):
        raise UserError("W&B is off: choose tracking=wandb, and unset WANDB_MODE where it is disabled")
    rows = read().rows
    waiting = _waiting(rows, tracking, folder)
    if waiting and tracking.mode == "online" and (problem := _key_problem(folder)):
        raise UserError(f"{problem}; {len(waiting)} rows wait, nothing is lost")
    sends = [partial(_send, row, tracking, folder) for row in waiting]
    if waiting and tracking.per == "study":
        sends = [partial(_send_study, read, tracking, folder)]
    for sent, send in enumerate(sends):
        try:
            send()
        except Exception as error:
            raise UserError(
                f"W&B took {sent} rows, {len(waiting) - sent} wait, nothing is lost: {error}. "
                "The same command goes on from here"
            ) from error
    return len(waiting), len(rows) - len(waiting)


def is_off(tracking: Tracking) -> bool:
    """Whether nothing is sent: by tracking=off, or by W&B's own WANDB_MODE=disabled, which wins over all settings."""
    return tracking.name == "off" or os.environ.get("WANDB_MODE", "").strip().lower() == "disabled"


def limit_s(tracking: Tracking, rows: int = 0) -> float:
    """The longest that one row may keep a run waiting: `init_timeout` to start, the same to end, and a grace.

    `rows`: those of a study that is sent in one piece.
    """
    return 2 * (float(tracking.init_timeout) + ROW_S * rows) + GRACE_S


def _try(send: Callable[[], None]) -> None:
    """Send, unless W&B has failed in this process before; where it fails, print the reason."""
    global _gave_up
    if _gave_up:
        return
    try:
        send()
    except Exception as error:
        _gave_up = True
        print(
            f"W&B is off for this process, rows are not touched, a sync can show them later: {error}", file=sys.stderr
        )


def _send(row: Row, tracking: Tracking, folder: Path) -> None:
    _within(limit_s(tracking), lambda: _replay(row, tracking, folder))
    with _ledger(folder, tracking).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{_state(row)}\n")


def _send_study(read: Callable[[], StudyLog], tracking: Tracking, folder: Path) -> None:
    """Send the study as its rows are by now, unless W&B has them; of several processes one at a time."""
    home = folder / "wandb"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "study.lock").open("w") as lock:
        _within(limit_s(tracking), lambda: fcntl.flock(lock, fcntl.LOCK_EX))
        log = read()
        if _waiting(log.rows, tracking, folder):
            _within(limit_s(tracking, len(log.rows)), lambda: _replay_study(log, tracking, folder))
            write_whole(_ledger(folder, tracking), "".join(f"{_state(row)}\n" for row in log.rows))


def _replay(row: Row, tracking: Tracking, folder: Path) -> None:
    """One W&B run per run, under the run's own id, so that sending it twice shows it once."""
    about = {"id": row.id, "name": _title(row), "group": row.study, "job_type": row.choices.get("task")}
    with _started(tracking, folder, about | {"config": dict(row.choices)}) as (_, run):
        for number, entry in enumerate(row.curve):
            run.log(dict(entry), step=entry.get("epoch", number))
        run.summary.update({**row.measures, "status": row.status})


def _replay_study(log: StudyLog, tracking: Tracking, folder: Path) -> None:
    """One W&B run per study: each step of its history has the whole study, so that the last one shows no row twice.

    An offline run takes the place of the earlier ones, of which it has all rows.
    """
    id, home = _study_id(folder), folder / "wandb"
    replaced = home.glob(f"offline-run-*-{id}") if tracking.mode == "offline" else ()
    for earlier in (*replaced, home / "artifacts", home / "wandb"):  # copies of what was sent, and W&B's own logs
        shutil.rmtree(earlier, ignore_errors=True)
    about = {"id": id, "name": log.name, "job_type": "study", "config": {"study": log.name, **_shared(log.rows)}}
    with _started(tracking, folder, about, len(log.rows)) as (wandb, run):
        charts = {measure: _chart(wandb, measure, lines) for measure, lines in log.curves.items()}
        run.log({"runs": _table(wandb, log.records), **charts})
        run.summary.update(Counter(row.status for row in log.rows))


def _study_id(folder: Path) -> str:
    """The id of the W&B run of the study in this folder: another one on another machine, whose rows are others."""
    path = folder / "wandb" / "study-id.txt"
    if not path.exists():
        write_whole(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8")


def _shared(rows: Sequence[Row]) -> dict[str, Any]:
    """The choices that all rows share."""
    first, *others = rows
    return {key: value for key, value in first.choices.items() if all(row.choices.get(key) == value for row in others)}


def _table(wandb: Any, records: Sequence[Mapping[str, Any]]) -> Any:
    """The records as W&B's table. Raises UserError for more lines than it shows."""
    most = wandb.Table.MAX_ROWS = wandb.Table.MAX_ARTIFACT_ROWS  # in its file as in its artifact
    if len(records) > most:
        raise UserError(f"a table in W&B has at most {most:,} lines; tracking.per=run has no limit")
    columns = list(dict.fromkeys(key for record in records for key in record))
    lines = [[_cell(record.get(column)) for column in columns] for record in records]
    return wandb.Table(columns=columns, data=lines, allow_mixed_types=True)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _chart(wandb: Any, measure: str, lines: Lines) -> Any:
    xs, ys = ([[point[axis] for point in line] for line in lines.values()] for axis in (0, 1))
    return wandb.plot.line_series(xs, ys, keys=list(lines), title=f"{measure}, mean of the runs", xname="epoch")


@contextmanager
def _started(tracking: Tracking, folder: Path, about: Mapping[str, Any], rows: int = 0) -> Iterator[tuple[Any, Any]]:
    """W&B and a run of it, which ends with the block. Raises UserError where W&B would wait for an answer."""
    if tracking.mode == "online" and (problem := _key_problem(folder)):  # on the terminal
        raise UserError(problem)
    wandb = _wandb(folder)
    run = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        dir=folder.resolve(),  # W&B keeps its process, and the folder that it was started in
        mode=tracking.mode,
        resume="allow",
        reinit="create_new",
        settings=_settings(wandb, tracking, rows),
        **about,
    )
    try:
        yield wandb, run
    except Exception:
        run.finish(exit_code=1)
        raise
    run.finish(exit_code=0)
    _raise_if_refused(Path(run.settings.log_internal))


def _settings(wandb: Any, tracking: Tracking, rows: int) -> Any:
    return wandb.Settings(
        disable_git=True,
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        silent=True,
        init_timeout=tracking.init_timeout,
        finish_timeout=tracking.init_timeout + ROW_S * rows,
        finish_timeout_raises=True,
    )


def _raise_if_refused(log: Path) -> None:
    """W&B ends a run without an error even if its server refused the data (over quota, say): only its log shows it."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"level":"ERROR+4"' in line:
            raise ConnectionError(json.loads(line)["msg"])


def _wandb(folder: Path) -> Any:
    """The module, configured before its import: no files in the home folder, no error reports, no output."""
    home = folder / "wandb"
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_CACHE_DIR", str(home.resolve()))
    os.environ.setdefault("WANDB_DATA_DIR", str(home.resolve()))
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.pop("WANDB_MODE", None)  # tracking.mode decides if not disabled; this would overrule it in login()
    import wandb

    return wandb


def _key_problem(folder: Path) -> str | None:
    """Why W&B has no usable key in the environment or its own files; uses neither a prompt nor the network."""
    way_out = "run `wandb login` or set WANDB_API_KEY"
    try:
        return None if _wandb(folder).login(prompt=False, verify=False) else f"no W&B key: {way_out}"
    except Exception as error:
        return f"no W&B key that could work: {redacted(str(error))}; {way_out}"


def _title(row: Row) -> str:
    parts = [str(row.choices[word]) for word in ("initializer", "model", "seed") if word in row.choices]
    return "-".join(parts) or row.id


def _waiting(rows: Iterable[Row], tracking: Tracking, folder: Path) -> list[Row]:
    """The rows that were not sent as they are now. A line that a kill cut short matches none: its row is sent again."""
    try:
        seen = set(_ledger(folder, tracking).read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        seen = set()
    return [row for row in rows if _state(row) not in seen]


def _ledger(folder: Path, tracking: Tracking) -> Path:
    """The file of what was sent: one for each mode, and for each way to send it."""
    return folder / "wandb" / f"seen-{tracking.mode}{'-study' * (tracking.per == 'study')}.txt"


def _state(row: Row) -> str:
    """A row in the ledger; another text once a failed run has been done again."""
    return f"{row.id} {row.status}"


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do the work, or stop waiting for it after `seconds`; raises what it raised, or TimeoutError."""
    outcome: list[BaseException | None] = []

    def attempt() -> None:
        try:
            work()
            outcome.append(None)
        except BaseException as error:  # W&B may also raise SystemExit, which would end the thread silently
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if outcome[0] is not None:
        raise RuntimeError(redacted(f"{type(outcome[0]).__name__}: {outcome[0]}")) from outcome[0]
