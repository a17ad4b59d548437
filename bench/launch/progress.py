"""The progress of a sweep, read from its rows as they appear, whichever process or machine writes them.

In: a store and the runs to wait for. Out: a live bar on a terminal, plain lines elsewhere, on standard error.
Touches: a thread.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from bench.rows.store import Store
from bench.schema import Run

POLL_S = 0.5
LINE_S = 10.0
LEAST_WORK = 0.05  # of a run, before which its pace says nothing


class Progress:
    """Counts the finished runs of a plan until the sweep leaves the context; `more`: other runs may follow them."""

    def __init__(self, store: Store, runs: Sequence[Run], missing: Sequence[Run], more: bool = False) -> None:
        self.store, self.total, self.waiting = store, len(runs), {run.id for run in missing}
        self.least = "at least " * more
        self.leases = store.leases(0.0)
        self.shares: dict[str, float] = {}  # of the steps of each run under way that are done
        self.at_first: dict[str, float] = {}  # the same when a run was seen first: it may go on from a checkpoint
        self.before = len(runs) - len(missing)
        self.seen: dict[str, str] = {}  # the status of every row in the folder, also of earlier ones
        self.finished: dict[str, str] = {}
        self.started = self.line_written = time.monotonic()
        console = Console(stderr=True)
        self.bar = Bar(BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console)
        self.lock, self.over = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self.bar.console.is_terminal:
            self.bar.start()
            self.bar.add_task(self.text(), total=self.total, completed=self.before)
        else:
            print(self.text(), file=sys.stderr, flush=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.look()
        self._show(last=True)
        if self.bar.tasks:
            self.bar.stop()

    def look(self) -> dict[str, str]:
        """The status of each run that has finished since the sweep began, by id."""
        with self.lock:
            self.seen |= self.store.finished(self.seen)
            self.finished = {id: status for id, status in self.seen.items() if id in self.waiting}
            shares = self.leases.shares()
            self.shares = {id: share for id, share in shares.items() if id in self.waiting - self.finished.keys()}
            self.at_first = self.shares | self.at_first
            return dict(self.finished)

    def text(self) -> str:
        """The numbers of runs done, left, diverged and failed, how far others are, and the time left at this pace."""
        count, done, shares = Counter(self.finished.values()), len(self.finished), dict(self.shares)
        left, halfway = len(self.waiting) - done, sum(shares.values())
        work = done + halfway - sum(self.at_first[id] for id in (*shares, *self.finished) if id in self.at_first)
        pace = (time.monotonic() - self.started) / work if work > LEAST_WORK else None
        ahead = f", about {minutes(pace * (left - halfway))} to go" if pace and left else ""
        further = f", {len(shares)} under way at {100 * halfway / len(shares):.0f} %" if shares else ""
        outcomes = f"{count['diverged']} diverged, {count['failed']} failed"
        return f"{self.before + done} of {self.least}{self.total} runs done, {left} left{further}, {outcomes}{ahead}"

    def _watch(self) -> None:
        while not self.over.wait(POLL_S):
            self.look()
            self._show()

    def _show(self, last: bool = False) -> None:
        if self.bar.tasks:
            self.bar.update(self.bar.tasks[0].id, description=self.text(), completed=self.before + len(self.finished))
        elif last or time.monotonic() - self.line_written > LINE_S:
            self.line_written = time.monotonic()
            print(self.text(), file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """A duration with its unit: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
