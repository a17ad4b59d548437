"""Which GPU a process trains on: no more processes per GPU than the sweep has decided; whether it still answers.

In: a number of processes. Out: a GPU chosen for this one. Touches: lock files in the folder for temporary files, which
the operating system unlocks when the process ends, however it ends.
"""

import fcntl
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.schema import UserError

WAIT_S = 1.0


def gpu_count() -> int:
    """How many GPUs this process may see, without importing torch, which takes two seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


class Lost(UserError):
    """The GPU takes no more work from this process: an access out of bounds or a failed assertion ended its context."""


def raise_if_lost() -> None:
    """Raise Lost where that has happened to this process; to be called after any error."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        try:
            torch.cuda.synchronize()
        except RuntimeError as raised:
            reason = str(raised).partition("\n")[0]
            raise Lost(
                f"the GPU answers this process no more ({reason}); the same command goes on from here"
            ) from raised


def wait(device: str) -> None:
    """Wait until a GPU has done all that it was given; other devices do at once what they are given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


@contextmanager
def own_gpu(processes: int) -> Iterator[None]:
    """Within this context "cuda" is a GPU that this process shares evenly with `processes` in all; waits for one."""
    import torch

    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    with locked(lock_names(uuids, processes), Path(tempfile.gettempdir())) as index:
        torch.cuda.set_device(index % len(uuids))
        yield


def lock_names(uuids: Sequence[str], processes: int) -> list[str]:
    """A name for each lock: one per process and at least one per GPU; the first locks of all GPUs come first."""
    each = max(1, math.ceil(processes / len(uuids)))
    return [f"{uuid}.{number}" if number else uuid for number in range(each) for uuid in uuids]


@contextmanager
def locked(names: Sequence[str], folder: Path) -> Iterator[int]:
    """Lock the first free one of `names` and yield its index; waits while other processes hold all of them.

    A name holds the GPU's UUID, which is the same for all jobs of a machine, unlike the numbers that a scheduler gives.
    """
    while (free := _first_free(names, folder)) is None:
        time.sleep(WAIT_S)
    index, descriptor = free
    try:
        yield index
    finally:
        os.close(descriptor)


def _first_free(names: Sequence[str], folder: Path) -> tuple[int, int] | None:
    for index, name in enumerate(names):
        if (descriptor := _lock(folder, name)) is not None:
            return index, descriptor
    return None


def _lock(folder: Path, name: str) -> int | None:
    """The open lock file, locked as long as it is open; None where another process holds the lock."""
    descriptor = _opened(folder, name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _opened(folder: Path, name: str) -> int:
    """The lock file, which all users share; one of this user alone where another user's cannot be opened.

    It is opened for reading, which a lock needs no more than, and made only where it is missing: in a folder for
    temporary files, Linux may refuse to open another user's file as a file to make.
    """
    path = folder / f"initbench-{name}.lock"
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        os.fchmod(descriptor, 0o666)  # whatever the umask
        return descriptor
    except PermissionError:
        return os.open(folder / f"initbench-{name}.{os.getuid()}.lock", os.O_RDONLY | os.O_CREAT, 0o600)
