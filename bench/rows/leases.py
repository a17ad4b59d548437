"""Leases: the process that trains a run, so that sweeps that share a folder, on one machine or many, train it once.

In: the id of a run. Out: whether this process may train it, and the other holders. Touches: results/STUDY/leases/.

A lease is a file named ID. It is written whole under another name and then linked to ID, which only one process can do,
on NFS too. Its holder touches the file as long as it is alive. A lease is stale when its holder is dead or, where that
cannot be checked because the holder is on another machine, when the file has not been touched for long. A stale lease
stays where it is: the process that takes the run over links ID.TOKEN, with the token of the dead holder, so that again
only one process succeeds. The last link of such a chain holds the run.

Losing the folder costs time only: a run may then be trained twice, and its first final row counts.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import failpoint
from bench.machine.files import names_in, os_reason, read_whole, remove
from bench.machine.processes import is_alive, pid_namespace, start_time
from bench.schema import UserError

BEAT_S = 10.0  # between two touches of a lease
MARK_S = 1.0  # between two notes on how far a run is
SHARE = ".share"  # the end of the name of such a note
DAY_S = 86400


@dataclass(frozen=True)
class Holder:
    """A process that holds the lease of a run: `about` describes the run, `sweep` names the sweep that it works for."""

    token: str
    host: str
    pid: int
    namespace: str  # in which `pid` means this process
    started: str  # tells the process from a later one of the same number
    since: float  # seconds since 1970
    about: str
    sweep: str


@dataclass(frozen=True)
class Lease:
    """The process that holds a run, or held it when it died."""

    holder: Holder
    alive: bool


class Leases:
    """The leases on the runs of one study."""

    def __init__(self, folder: Path, expiry_s: float) -> None:
        self.folder, self.expiry_s = folder, expiry_s
        self.marked: dict[str, float] = {}  # by id, when the share of a run was written last

    @contextlib.contextmanager
    def held(self, id: str, about: str = "", sweep: str = "") -> Iterator[int]:
        """Hold a run within this context; yields 1 + the number of holders that died, or 0 if another process has it.

        Raises UserError when the disk refuses the lease: then the row could not be written either.
        """
        holder = _this_process(about, sweep)
        chain = self._take(id, holder)
        if not chain:
            yield 0
            return
        try:
            _start_beating(chain[-1])
            failpoint.reach("after_lease")
            yield len(chain)
        finally:
            _beating.discard(chain[-1])
            failpoint.reach("before_release")
            if _token(chain[-1]) == holder.token:  # else the folder was lost, and another process has the run
                remove([*chain, self._share(id)])

    def read(self) -> dict[str, Lease]:
        """The lease of each run that has one, by id."""
        return {
            id: lease for id in names_in(self.folder) if re.fullmatch("[0-9a-f]{16}", id) and (lease := self._last(id))
        }

    def mark(self, id: str, share: float) -> None:
        """Write down, once a second at most, which share of its steps a run has done; a full disk changes nothing."""
        if time.monotonic() - self.marked.get(id, -MARK_S) >= MARK_S:
            self.marked[id] = time.monotonic()
            with contextlib.suppress(OSError):
                self._share(id).write_text(f"{share:.4f}", encoding="utf-8")

    def shares(self) -> dict[str, float]:
        """The share of its steps that each run under way has done, by id."""
        found = {}
        for path in self.folder.glob(f".*{SHARE}"):
            with contextlib.suppress(OSError, ValueError):  # it has just ended, or is just being written
                found[path.name[1:].removesuffix(SHARE)] = float(path.read_text(encoding="utf-8"))
        return found

    def tidy(self, done: Collection[str]) -> None:
        """Delete what dead processes left: files of runs that are done, and old ones. An empty folder is deleted."""
        stale = set(done) - {id for id, lease in self.read().items() if lease.alive}
        paths = [self.folder / name for name in names_in(self.folder)]
        remove(path for path in paths if path.name.lstrip(".").partition(".")[0] in stale or _is_left(path))
        self._remove_empty()

    def stop(self, sweep: str, lasting: bool = False) -> None:
        """Ask the processes that work for this sweep, wherever they run, to stop as soon as they can.

        The request holds as long as this process lives, or for a day where it is `lasting`.
        """
        with contextlib.suppress(OSError):  # on a full disk they end by themselves
            self.folder.mkdir(parents=True, exist_ok=True)
            text = "" if lasting else json.dumps(asdict(_this_process("", sweep)))
            self._request(sweep).write_text(text, encoding="utf-8")

    def stopped(self, sweep: str) -> bool:
        """Whether `stop` was called for this sweep, in any process."""
        return self._request(sweep).exists()

    def forget(self, sweep: str) -> None:
        """Delete the request to stop of a sweep for which no process will look any more, and an empty folder."""
        remove([self._request(sweep)])
        self._remove_empty()

    def trace(self, id: str) -> Path:
        """The file for the traceback of a process that is ended in the middle of a run."""
        return self.folder / f"{id}.trace"

    def _share(self, id: str) -> Path:
        return self.folder / f".{id}{SHARE}"

    def _request(self, sweep: str) -> Path:
        return self.folder / f".{sweep}.stop"

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _take(self, id: str, holder: Holder) -> list[Path]:
        """The links of the chain, the last of them ours; none where another process holds the run."""
        own = self.folder / f".{id}.{holder.token}.tmp"
        try:
            _write(own, holder)
            return self._link(own, id)
        except FileNotFoundError:
            return []  # the folder was deleted just now; the sweep comes back to this run
        except OSError as error:
            raise UserError(
                f"cannot write in {self.folder}: {os_reason(error)}. "
                "Make room, or choose another folder with results=DIR"
            ) from error
        finally:
            remove([own])

    def _link(self, own: Path, id: str) -> list[Path]:
        """As `_take`. A holder that lets go deletes the first link of its chain first: if that link has changed by the
        time ours is made, the chain was deleted meanwhile, and ours holds nothing.
        """
        chain, tokens = [self.folder / id], list[str]()
        while not _linked(own, chain[-1]):
            last = _read(chain[-1])
            if last is None or self._alive(last, chain[-1], own.stat().st_mtime):
                return []
            tokens.append(last.token)
            chain.append(self.folder / f"{id}.{last.token}")
        if tokens and _token(chain[0]) != tokens[0]:
            remove(chain[-1:])
            return []
        return chain

    def _last(self, id: str) -> Lease | None:
        path, lease = self.folder / id, None
        while holder := _read(path):
            lease = Lease(holder, self._alive(holder, path, time.time()))
            path = self.folder / f"{id}.{holder.token}"
        return lease

    def _alive(self, holder: Holder, path: Path, now: float) -> bool:
        """`now` is by the clock that dates the files, which may be a file server's."""
        if holder.namespace == pid_namespace():
            return is_alive(holder.pid, holder.started)
        with contextlib.suppress(OSError):
            return now - path.stat().st_mtime < self.expiry_s
        return False


def _write(own: Path, holder: Holder) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    with own.open("x", encoding="utf-8") as file:
        file.write(json.dumps(asdict(holder)))
        file.flush()
        os.fsync(file.fileno())  # where a disk is full, some file systems raise only here


def _linked(own: Path, path: Path) -> bool:
    """Link our lease to `path`; False where another lease is there."""
    try:
        os.link(own, path)
    except FileExistsError:
        return own.stat().st_nlink > 1  # NFS may repeat a request whose answer was lost
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        return _created(path, own.read_text(encoding="utf-8"))
    return True


def _created(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> Holder | None:
    """The holder of a lease; None where there is no lease.

    A file that is not a whole lease has an unknown holder, whose token is made of the file's name.
    """
    try:
        holder = Holder(**json.loads(read_whole(path)))
        if re.fullmatch("[0-9a-f]{16}", holder.token) and isinstance(holder.pid, int) and holder.since >= 0:
            return holder
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        pass
    return Holder(hashlib.sha256(path.name.encode()).hexdigest()[:16], "unknown", 0, "", "", 0.0, "", "")


def _token(path: Path) -> str:
    holder = _read(path)
    return holder.token if holder else ""


_beating: set[Path] = set()  # the leases that this process holds
_added = threading.Event()  # a lease was added to them
_heart = threading.Thread()


def _forked() -> None:
    """A child holds none of its parent's leases, and has no thread but its own."""
    global _added
    _beating.clear()
    _added = threading.Event()


os.register_at_fork(after_in_child=_forked)


def _start_beating(path: Path) -> None:
    """Touch this lease regularly from now on; one thread does so for all leases of the process."""
    global _heart
    _beating.add(path)
    _added.set()
    if not _heart.is_alive():
        _heart = threading.Thread(target=_beat, daemon=True)
        _heart.start()


def _beat() -> None:
    while True:
        _added.wait(BEAT_S)
        _added.clear()
        for path in list(_beating):
            with contextlib.suppress(OSError):  # the folder was lost, or the file server is away for a while
                os.utime(path)


def _is_left(path: Path) -> bool:
    """Whether a request to stop, or a lease that was being written, is of a process that is dead, or old."""
    if path.suffix not in (".stop", ".tmp"):
        return False
    holder = _read(path)
    if holder and holder.namespace == pid_namespace():
        return not is_alive(holder.pid, holder.started)
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > DAY_S
    return False


def _this_process(about: str, sweep: str) -> Holder:
    pid, token = os.getpid(), secrets.token_hex(8)
    return Holder(token, platform.node(), pid, pid_namespace(), start_time(pid) or "", time.time(), about, sweep)
