"""How far the runs under way are: a trainer says it after each step, and the process that started it may listen.

In: shares of runs. Out: calls of the listener. Touches: nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, float], None]  # takes the id of a run and the share of its steps that are done
_listeners: list[Listener] = []


def reached(id: str, share: float) -> None:
    """Say that a run has done this share (0..1) of its steps."""
    for listener in _listeners:
        listener(id, share)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Call the listener at each step of the runs that train within this context."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
