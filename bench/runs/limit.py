"""A limit on the time of one run.

In: minutes. Out: a wish that the run stop, heard at its next step. Touches: the process, which a run that does not
hear the wish, because it hangs, takes along.
"""

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.runs import stop
from bench.schema import UserError

GRACE_S = 30.0  # to come to the next step


def check(minutes: object) -> None:
    """Raises UserError where `timeout` is neither null nor a time."""
    is_time = isinstance(minutes, int | float) and not isinstance(minutes, bool) and minutes > 0
    if minutes is not None and not is_time:
        raise UserError(f"timeout={minutes} is no time; give minutes, for example timeout=30, or null for no limit")


@contextmanager
def limited(minutes: float | None, trace: Path) -> Iterator[Callable[[], bool]]:
    """Wish the run in this context to stop once the minutes are over; the value says whether they are. null: never.

    An exception out of the blue would be simpler, and could leave half an import behind for the runs that follow. A
    grace later the process is ended from outside Python, and its traceback left in `trace`: whoever finds that there
    knows why the process is dead.
    """
    if minutes is None:
        yield lambda: False
        return
    over = threading.Event()

    def end() -> None:
        over.set()
        stop.wish(signal.SIGALRM)

    clock = threading.Timer(60 * minutes, end)
    with trace.open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(60 * minutes + GRACE_S, exit=True, file=file)
        clock.start()
        try:
            yield over.is_set
        finally:
            clock.cancel()
            clock.join()
            stop.withdraw(signal.SIGALRM)
            faulthandler.cancel_dump_traceback_later()
            trace.unlink(missing_ok=True)
