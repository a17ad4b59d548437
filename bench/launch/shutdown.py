"""How a sweep ends early: asked once, it lets the runs under way end with a checkpoint; asked twice, it ends at once.

In: signals to the sweep, a file in results/ for the processes that train for it, wherever they run. Out: a wish to stop
for those, KeyboardInterrupt for the sweep. Touches: the signal handlers of these processes, a thread, results/ through
rows.
"""

import multiprocessing
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

from bench.rows.leases import Holder, Leases
from bench.train import stop

LOOK_S = 0.5
SENTENCE = b"\nstopping: no run begins, those under way end at their next step with a checkpoint; again: stop at once\n"

_here: set[str] = set()  # the sweeps that this process drives
_attended: set[str] = set()  # those that it trains for


def new_name() -> str:
    """A name for a sweep that this process drives."""
    return f"{secrets.token_hex(4)}-{os.getpid()}"


def pid_of(sweep: str) -> int:
    """The process that drives a sweep."""
    return int(sweep.partition("-")[2])


@contextmanager
def draining(leases: Leases, sweep: str) -> Iterator[None]:
    """Within this context a signal drains the sweep: KeyboardInterrupt comes once none of its runs is under way.

    Only now, since a launcher that still has packs would hand them all out, each to a process that leaves them alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.wished():
            raise KeyboardInterrupt
        stop.wish(number)
        os.write(2, SENTENCE)  # print may have been interrupted itself
        leases.stop(sweep)
        if any(holder.pid == os.getpid() for holder in under_way(leases, sweep)):
            return  # this process trains: it comes to `leave` by itself
        while under_way(leases, sweep):
            time.sleep(LOOK_S)
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, hear) for number in stop.SIGNALS}
    _here.add(sweep)
    try:
        with _ctrl_c_as(signal.SIGUSR1):
            yield
    finally:
        _here.discard(sweep)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _ctrl_c_as(number: int) -> Iterator[None]:
    """Within this context Ctrl-C comes to the main thread as another signal.

    A process that is just being started inherits that Ctrl-C is blocked, so that it does not interrupt its imports.
    """
    over, main = threading.Event(), threading.get_ident()

    def pass_on() -> None:
        while signal.sigwait({signal.SIGINT}) and not over.is_set():
            signal.pthread_kill(main, number)

    resource_tracker.ensure_running()  # before Python 3.14 its start, with the first worker, would undo the next line
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.pthread_kill(thread.ident or 0, signal.SIGINT)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def under_way(leases: Leases, sweep: str) -> list[Holder]:
    """The processes that train for this sweep just now."""
    found = leases.read().values()
    return [lease.holder for lease in found if lease.alive and lease.holder.sweep == sweep]


def attend(leases: Leases, sweep: str) -> None:
    """Hear, from now on, when this process, which trains for a sweep, should stop."""
    if sweep not in _here | _attended:
        _attended.add(sweep)
        stop.listen()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the sweep, which passes it on
        _watch(leases, sweep)


def leave(sweep: str) -> None:
    """Where the sweep itself has trained a pack, and should stop: end its launcher's loop over the other packs."""
    if sweep in _here and stop.wished():
        raise KeyboardInterrupt


def _watch(leases: Leases, sweep: str) -> None:
    """A worker of the sweep's own ends as soon as the sweep is gone: once killed, it leaves nothing behind that trains.

    A process that some cluster started finishes its pack.
    """
    own = multiprocessing.current_process().name != "MainProcess"

    def look() -> None:
        while not leases.stopped(sweep):
            if own and os.getppid() != pid_of(sweep):
                os._exit(1)
            time.sleep(LOOK_S)
        stop.wish(signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()
