"""The wish from outside that a process stop: a signal says it, and whoever trains looks for it between two steps.

In: signals. Out: whether to stop. Touches: the signal handlers of the process that calls `listen`.
"""

import signal
import threading
from types import FrameType

# A cluster's notices before it takes the machine (submitit's is SIGUSR2), and Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)

_heard: list[int] = []  # no threading.Event: a handler that interrupts another would wait for its lock for ever


def listen() -> None:
    """Take the signals as a wish from now on; a second Ctrl-C interrupts at once.

    Python hears signals in the main thread of a process alone. Called in another thread (of a Ray actor, say) this
    changes nothing: the signals keep the meaning they have there, and a run that they kill goes on from the newest
    checkpoint that `checkpoint.every` has left.
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, _hear)


def wished() -> bool:
    """Whether to start no further run, and to end the present one, with a checkpoint, at its next step."""
    return bool(_heard)


def wish(number: int) -> None:
    """Take it that this signal was sent: whoever drives the process asks for it in another way."""
    _heard.append(number)


def withdraw(number: int) -> None:
    """Take back what was wished so."""
    _heard[:] = [heard for heard in _heard if heard != number]


def exit_code() -> int:
    """What a process exits with that was asked to stop and did: 128 + the signal, as a shell has it; else 0."""
    return 128 + _heard[0] if _heard else 0


def _hear(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and wished():
        raise KeyboardInterrupt
    _heard.append(number)
