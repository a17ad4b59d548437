"""Claims: who trains which run, so that several sweeps on one folder, on one machine or many, train each run once.

In: the id of a run. Out: whether it is ours to train, and who trains the others. Touches: results/STUDY/claims/.

A claim is a file named ID. It is made whole beside its place and linked there, which one process alone achieves, on NFS
too. Its holder touches it as long as it lives. It is stale when its holder is dead or, where nobody here can tell, when
it has long not been touched. A stale claim stays where it is: whoever takes the run over links ID.TOKEN, after the
token of the dead, so that of several again one alone achieves it. The last link of such a chain holds the run.

To lose the folder costs time only: a run may be trained twice then, and its first final row counts.
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
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import failpoint
from bench.machine.files import listed, spoken
from bench.machine.processes import born, lives, place
from bench.schema import UserError

BEAT_S = 10.0  # between two signs of life
DAY_S = 86400


@dataclass(frozen=True)
class Holder:
    """A process that claims a run. `about` says which run, in words; `sweep` names the sweep that it works for."""

    token: str
    host: str
    pid: int
    place: str  # where `pid` means this process
    birth: str  # tells the process from a later one of the same number
    since: float  # seconds since 1970
    about: str
    sweep: str


@dataclass(frozen=True)
class Claim:
    """Who holds a run, or held it when it died."""

    holder: Holder
    alive: bool


class Claims:
    """The claims on the runs of one study."""

    def __init__(self, folder: Path, expiry_s: float) -> None:
        self.folder, self.expiry_s = folder, expiry_s

    @contextlib.contextmanager
    def held(self, id: str, about: str = "", sweep: str = "") -> Iterator[int]:
        """Claim a run within this context: which try at it this is, counting those that died; 0 where another has it.

        Raises UserError when the disk refuses, so that nothing is trained whose row could not be written.
        """
        holder = _this_process(about, sweep)
        chain = self._take(id, holder)
        if not chain:
            yield 0
            return
        try:
            _beat(chain[-1])
            failpoint.point("after_claim")
            yield len(chain)
        finally:
            _beating.discard(chain[-1])
            failpoint.point("before_release")
            if _token(chain[-1]) == holder.token:  # else the folder was lost, and another has the run
                _remove(chain)

    def read(self) -> dict[str, Claim]:
        """Who holds each run that is claimed, by id."""
        return {
            id: claim for id in listed(self.folder) if re.fullmatch("[0-9a-f]{16}", id) and (claim := self._last(id))
        }

    def tidy(self, done: Collection[str]) -> None:
        """Remove what the dead left: of runs that are done, and of days ago. The folder goes once it is empty."""
        gone = set(done) - {id for id, claim in self.read().items() if claim.alive}
        paths = [self.folder / name for name in listed(self.folder)]
        _remove(path for path in paths if path.name.lstrip(".").partition(".")[0] in gone or _is_old(path))
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def stop(self, sweep: str) -> None:
        """Ask the processes that work for this sweep, wherever they run, to stop as soon as they can."""
        with contextlib.suppress(OSError):  # on a full disk they end by themselves
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f".{sweep}.stop").touch()

    def stopped(self, sweep: str) -> bool:
        """Whether this sweep was asked to stop."""
        return (self.folder / f".{sweep}.stop").exists()

    def trace(self, id: str) -> Path:
        """Where a process that has to be ended in the midst of a run leaves its traceback."""
        return self.folder / f"{id}.trace"

    def _take(self, id: str, holder: Holder) -> list[Path]:
        """The links of the chain, of which the last is ours; none where another holds the run."""
        own = self.folder / f".{id}.{holder.token}.tmp"
        try:
            _write(own, holder)
            return self._link(own, id)
        except FileNotFoundError:
            return []  # somebody removed the folder at this moment; the sweep comes by again
        except OSError as error:
            raise UserError(
                f"cannot write in {self.folder}: {spoken(error)}. Make room, or choose another folder with results=DIR"
            ) from error
        finally:
            _remove([own])

    def _link(self, own: Path, id: str) -> list[Path]:
        """As `_take`. A holder that lets go removes the first link of its chain first: if that is another one when ours
        is made, the chain was taken down meanwhile, and ours holds nothing.
        """
        chain, tokens = [self.folder / id], list[str]()
        while not _linked(own, chain[-1]):
            last = _read(chain[-1])
            if last is None or self._alive(last, chain[-1], own.stat().st_mtime):
                return []
            tokens.append(last.token)
            chain.append(self.folder / f"{id}.{last.token}")
        if tokens and _token(chain[0]) != tokens[0]:
            _remove(chain[-1:])
            return []
        return chain

    def _last(self, id: str) -> Claim | None:
        path, claim = self.folder / id, None
        while holder := _read(path):
            claim = Claim(holder, self._alive(holder, path, time.time()))
            path = self.folder / f"{id}.{holder.token}"
        return claim

    def _alive(self, holder: Holder, path: Path, now: float) -> bool:
        """`now` is by the clock that dates the files, which may be a file server's."""
        if holder.place == place():
            return lives(holder.pid, holder.birth)
        with contextlib.suppress(OSError):
            return now - path.stat().st_mtime < self.expiry_s
        return False


def _write(own: Path, holder: Holder) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    with own.open("x", encoding="utf-8") as file:
        file.write(json.dumps(asdict(holder)))
        file.flush()
        os.fsync(file.fileno())  # where a disk is full, some file systems say so only now


def _linked(own: Path, path: Path) -> bool:
    """Whether we are the one whose claim now stands at `path`."""
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
    """The holder of a claim; None where there is no claim.

    Of the holder of what is no whole claim nothing is known but a token, made up of the file's name.
    """
    try:
        holder = Holder(**json.loads(path.read_text(encoding="utf-8")))
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


_beating: set[Path] = set()  # the claims that this process holds
_another = threading.Event()  # has come
_heart = threading.Thread()


def _forked() -> None:
    """A child holds none of the claims of its parent, and has no thread but its own."""
    global _another
    _beating.clear()
    _another = threading.Event()


os.register_at_fork(after_in_child=_forked)


def _beat(path: Path) -> None:
    """Give signs of life for this claim from now on; one thread does so for all."""
    global _heart
    _beating.add(path)
    _another.set()
    if not _heart.is_alive():
        _heart = threading.Thread(target=_live, daemon=True)
        _heart.start()


def _live() -> None:
    while True:
        _another.wait(BEAT_S)
        _another.clear()
        for path in list(_beating):
            with contextlib.suppress(OSError):  # the folder was lost, or the server is away for a while
                os.utime(path)


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.suffix in (".stop", ".tmp") and time.time() - path.stat().st_mtime > DAY_S
    return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _this_process(about: str, sweep: str) -> Holder:
    pid = os.getpid()
    return Holder(secrets.token_hex(8), platform.node(), pid, place(), born(pid) or "", time.time(), about, sweep)
