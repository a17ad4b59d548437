"""Mirrors rows in Weights & Biases, which is never read back and never stops a run.

In: rows. Out: W&B runs, offline or online. Touches: results/STUDY/wandb, and in online mode the network.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.machine.settings import Tracking
from bench.rows.redaction import redacted
from bench.schema import Row, UserError

GRACE_S = 5  # for W&B to time out by itself before we stop waiting

_gave_up = False  # one failure turns the mirror off in this process: a blocked network is waited for once


def mirror(row: Row, tracking: Tracking, folder: Path) -> None:
    """Send one row to W&B; on the first failure, print the reason and stop trying. Never raises, ends in `limit_s`."""
    global _gave_up
    if tracking.name == "off" or _gave_up:
        return
    try:
        _send(row, tracking, folder)
    except Exception as error:
        _gave_up = True
        print(
            f"W&B is off for this process, rows are not touched, a sync can show them later: {error}", file=sys.stderr
        )


def sync(rows: Iterable[Row], tracking: Tracking, folder: Path) -> tuple[int, int]:
    """Send the rows that this mode has not sent yet; returns (rows sent, rows skipped).

    Raises UserError when there is no key, and at the first row that W&B does not take.
    """
    rows = list(rows)
    mode = _mode(tracking)
    seen = _seen(folder, mode)
    waiting = [row for row in rows if row.id not in seen]
    if waiting and mode == "online" and (problem := _key_problem(folder)):
        raise UserError(f"{problem}; {len(waiting)} rows wait, nothing is lost")
    for sent, row in enumerate(waiting):
        try:
            _send(row, tracking, folder)
        except Exception as error:
            raise UserError(
                f"W&B took {sent} rows, {len(waiting) - sent} wait, nothing is lost: {error}. "
                "The same command goes on from here"
            ) from error
    return len(waiting), len(rows) - len(waiting)


def limit_s(tracking: Tracking) -> float:
    """The longest that one row may keep a run waiting: `init_timeout` to start, the same to end, and a grace."""
    return 2 * float(tracking.init_timeout) + GRACE_S


def _send(row: Row, tracking: Tracking, folder: Path) -> None:
    mode = _mode(tracking)
    _within(limit_s(tracking), lambda: _replay(row, tracking, folder))
    with _ledger(folder, mode).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{row.id}\n")


def _replay(row: Row, tracking: Tracking, folder: Path) -> None:
    """One W&B run per run, under the run's own id, so that sending it twice shows it once."""
    if tracking.mode == "online" and (problem := _key_problem(folder)):  # W&B would wait for an answer on the terminal
        raise UserError(problem)
    wandb = _wandb(folder)
    run = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        id=row.id,
        name=_title(row),
        group=row.study,
        job_type=row.choices.get("task"),
        dir=folder,
        config=dict(row.choices),
        mode=tracking.mode,
        resume="allow",
        reinit="create_new",
        settings=_settings(wandb, tracking),
    )
    for number, entry in enumerate(row.curve):
        run.log(dict(entry), step=entry.get("epoch", number))
    run.summary.update({**row.measures, "status": row.status})
    run.finish(exit_code=0)
    _raise_if_refused(Path(run.settings.log_internal))


def _settings(wandb: Any, tracking: Tracking) -> Any:
    return wandb.Settings(
        disable_git=True,
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        silent=True,
        init_timeout=tracking.init_timeout,
        finish_timeout=tracking.init_timeout,
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
    os.environ.pop("WANDB_MODE", None)  # tracking.mode decides; this variable would overrule it in login()
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


def _mode(tracking: Tracking) -> str:
    if tracking.name == "off":
        raise UserError("tracking=off has no mirror; choose tracking=wandb")
    return tracking.mode


def _ledger(folder: Path, mode: str) -> Path:
    return folder / "wandb" / f"seen-{mode}.txt"


def _seen(folder: Path, mode: str) -> set[str]:
    """The ids sent before. A line that a kill cut short matches no id: its row is sent again."""
    try:
        return set(_ledger(folder, mode).read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return set()


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
