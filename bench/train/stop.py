"""Stopping: a signal asks the process to stop, and the training checks for that between two steps.

In: signals. Out: whether to stop. Touches: the signal handlers of the process that calls `listen`.
"""

import signal
import threading
from types import FrameType

# what a cluster sends before it takes the machine (submitit sends SIGUSR2), and Ctrl-C
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)

_received: list[int] = []  # no threading.Event: a handler that interrupts another would wait for its lock for ever


def listen() -> None:
    """Treat the signals as a request to stop from now on; a second Ctrl-C interrupts at once.

    Python receives signals in the main thread of a process alone. In another thread (of a Ray actor, say) this call
    changes nothing: the signals act as before, and a run that they kill resumes from the newest checkpoint that
    `checkpoint.every` has left.
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, _receive)


def requested() -> bool:
    """Whether this process has to stop: it starts no further run and ends the present one at its next step."""
    return bool(_received)


def request(number: int) -> None:
    """Ask this process to stop, as the signal of this number would."""
    _received.append(number)


def withdraw(number: int) -> None:
    """Withdraw the requests of this number."""
    _received[:] = [received for received in _received if received != number]


def _receive(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and requested():
        raise KeyboardInterrupt
    _received.append(number)
