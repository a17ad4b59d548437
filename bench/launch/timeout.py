"""A limit on the time of one run.

In: minutes. Out: a wish that the run stop, heard at its next step. Touches: the process, which a run that does not
hear the wish, because it hangs, takes along.
"""

import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.schema import UserError
from bench.train import stop

GRACE_S = 30.0  # to come to the next step


def check(minutes: object) -> None:
    """Raises UserError where `timeout` is neither null nor a time."""
    is_time = isinstance(minutes, int | float) and not isinstance(minutes, bool) and minutes > 0
    if minutes is not None and not is_time:
        raise UserError(f"timeout={minutes} is no time; give minutes, for example timeout=30, or null for no limit")


@contextmanager
def limited(minutes: float | None, runs: int, trace: Path | None) -> Iterator[Callable[[], bool]]:
    """Wish the runs in this context to stop once the minutes of each are over; the value says whether. null: never.

    An exception out of the blue would be simpler, and could leave half an import behind for the runs that follow. A
    grace later the process is ended from outside Python, and its traceback left in `trace`, if there is one: whoever
    finds it there knows why the process is dead.
    """
    if minutes is None:
        yield lambda: False
        return
    over, seconds = threading.Event(), 60 * minutes * runs

    def end() -> None:
        over.set()
        stop.wish(signal.SIGALRM)

    clock = threading.Timer(seconds, end)
    with (trace or Path(os.devnull)).open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(seconds + GRACE_S, exit=True, file=file)
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
