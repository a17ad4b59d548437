"""The shutdown of a sweep: at the first signal its runs end with a checkpoint, at the second it ends at once.

In: signals to the sweep, a file in results/ for the processes that train for it, wherever they run. Out: a request to
stop for those, KeyboardInterrupt for the sweep. Touches: the signal handlers of these processes, a thread, results/
through rows.
"""

import multiprocessing
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

from bench.rows.leases import Holder, Leases
from bench.train import stop

POLL_S = 0.5
SENTENCE = b"\nstopping: no run begins, those under way end at their next step with a checkpoint; again: stop at once\n"

_driven: set[str] = set()  # the sweeps that this process drives
_followed: set[str] = set()  # the sweeps that this process trains for


def new_name() -> str:
    """A name for a sweep that this process drives."""
    return f"{secrets.token_hex(4)}-{os.getpid()}"


def pid_of(sweep: str) -> int:
    """The process that drives a sweep."""
    return int(sweep.partition("-")[2])


@contextmanager
def stoppable(leases: Leases, sweep: str, queues: bool = False) -> Iterator[None]:
    """Within this context a signal stops the sweep: KeyboardInterrupt is raised once none of its runs is under way.

    Not earlier, since a launcher that still has jobs would hand them all out, each to a process that skips it.
    `queues`: whether jobs may begin after the sweep has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop_sweep(number: int, frame: FrameType | None) -> None:
        if stop.requested():
            raise KeyboardInterrupt
        stop.request(number)
        leases.stop(sweep, lasting=queues)
        with suppress(OSError):  # its disk is full
            os.write(2, SENTENCE)  # print may have been interrupted itself
        if any(holder.pid == os.getpid() for holder in under_way(leases, sweep)):
            return  # this process trains: it comes to `raise_if_stopped` by itself
        while under_way(leases, sweep):
            time.sleep(POLL_S)
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, stop_sweep) for number in stop.SIGNALS}
    _driven.add(sweep)
    try:
        with _ctrl_c_as(signal.SIGUSR1):
            yield
    finally:
        _driven.discard(sweep)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def deaf(start: Callable[[], None]) -> None:
    """Start a process that ignores, as it inherits, the notice that a cluster sends to all processes of the sweep."""
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGUSR1, signal.SIGUSR2)}
        start()
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _ctrl_c_as(number: int) -> Iterator[None]:
    """Within this context Ctrl-C reaches the main thread as another signal.

    A process that is started meanwhile inherits that Ctrl-C is blocked, so that it does not interrupt its imports.
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
    """The processes that train for this sweep now."""
    return [lease.holder for lease in leases.read().values() if lease.alive and lease.holder.sweep == sweep]


def follow(leases: Leases, sweep: str) -> None:
    """From now on, stop this process, which trains for a sweep, when the sweep is stopped."""
    if sweep not in _driven | _followed:
        _followed.add(sweep)
        stop.listen()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sweep, which passes it on
        _watch(leases, sweep)


def stopped(leases: Leases, sweep: str) -> bool:
    """Whether this process, which trains for a sweep, may begin no other run."""
    return stop.requested() or leases.stopped(sweep)


def raise_if_stopped(sweep: str) -> None:
    """Raise KeyboardInterrupt, which ends the launcher's loop, where this process drives the sweep and has to stop."""
    if sweep in _driven and stop.requested():
        raise KeyboardInterrupt


def end_process(sweep: str, cause: Exception) -> NoReturn:
    """End this process, which trains for a sweep and can train no more: the sweep launches what is missing again.

    Raises the cause where this process drives the sweep.
    """
    if sweep in _driven:
        raise cause
    print(f"this process ends: {cause}", file=sys.stderr, flush=True)
    os._exit(1)


def _watch(leases: Leases, sweep: str) -> None:
    """Stop this process when the sweep is stopped.

    A worker that the sweep started ends as soon as the sweep is gone, so that no worker of a killed sweep goes on;
    after a request to stop, once it has left its checkpoint. A process that a cluster started finishes its pack.
    """
    started_by_sweep = multiprocessing.current_process().name != "MainProcess"

    def watch() -> None:
        while not leases.stopped(sweep):
            if started_by_sweep and os.getppid() != pid_of(sweep):
                os._exit(1)
            time.sleep(POLL_S)
        stop.request(signal.SIGTERM)
        while started_by_sweep:
            time.sleep(POLL_S)
            if os.getppid() != pid_of(sweep) and all(one.pid != os.getpid() for one in under_way(leases, sweep)):
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
