"""The wish from outside that a process stop: a signal says it, and whoever trains looks for it between two steps.

In: signals. Out: whether to stop. Touches: the signal handlers of the process that calls `listen`.
"""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # a cluster's notices before it takes the machine, and Ctrl-C

_wish = threading.Event()


def listen() -> None:
    """Take the signals as a wish from now on; a second Ctrl-C interrupts at once. For the main thread of a process."""
    for number in SIGNALS:
        signal.signal(number, _heard)


def wished() -> bool:
    """Whether to start no further run, and to end the present one, with a checkpoint, at its next step."""
    return _wish.is_set()


def _heard(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and wished():
        raise KeyboardInterrupt
    _wish.set()
