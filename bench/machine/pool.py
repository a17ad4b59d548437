"""Processes beside this one, for measurements and simulations: they hear no Ctrl-C, and none outlives this one.

In: a number of processes. Out: an executor. Touches: processes.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any


class _Process(SpawnProcess):
    def start(self) -> None:
        resource_tracker.ensure_running()  # before Python 3.14 its start would undo the next line
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def run(self) -> None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        super().run()


class Context(SpawnContext):
    """Begins each process afresh, with Ctrl-C blocked."""

    Process = _Process


def executor(count: int, initializer: Callable[..., Any] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """An executor of `count` processes, in each of which `initializer(*arguments)` is called first."""
    return ProcessPoolExecutor(count, Context(), initializer=initializer, initargs=arguments)


@contextmanager
def pool(count: int, initializer: Callable[..., Any] | None = None, *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """As `executor`; its processes are killed where an error or an interrupt leaves this context."""
    others = {*multiprocessing.active_children()}
    with executor(count, initializer, *arguments) as made:
        try:
            yield made
        except BaseException:
            for process in {*multiprocessing.active_children()} - others:
                process.kill()
            raise


def _end_with_parent() -> None:
    """End this process, which would wait for work for ever, as soon as its parent is gone."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
