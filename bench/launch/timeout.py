"""A limit on the time of one run.

In: seconds. Out: a request to stop, which the run follows at its next step. Touches: the process, which is ended where
the run hangs before its next step.
"""

import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.train import stop

GRACE_S = 30.0  # to come to the next step


@contextmanager
def limited(seconds: float | None, runs: int, trace: Path | None) -> Iterator[Callable[[], bool]]:
    """Stop the runs in this context after `seconds` for each of them; None: never. Yields whether that has happened.

    An exception from another thread would be simpler, but could leave a half-done import behind for the next runs. A
    grace period later faulthandler ends the process and writes its traceback to `trace`, if that is given, where the
    scheduler reads why the process died.
    """
    if seconds is None:
        yield lambda: False
        return
    over, limit = threading.Event(), seconds * runs

    def end() -> None:
        over.set()
        stop.request(signal.SIGALRM)

    clock = threading.Timer(limit, end)
    with (trace or Path(os.devnull)).open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(limit + GRACE_S, exit=True, file=file)
        clock.start()
        try:
            yield over.is_set
        finally:
            clock.cancel()
            clock.join()
            stop.withdraw(signal.SIGALRM)
            faulthandler.cancel_dump_traceback_later()
            if trace:
                trace.unlink(missing_ok=True)
