"""Which GPU a process trains on: no more processes per device than the sweep has decided.

In: the names of the devices. Out: the place of the one taken. Touches: a lock file per device, which the operating
system releases when its process ends, however it ends.
"""

import fcntl
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 1.0


def gpus() -> int:
    """How many GPUs this process may see, without the two seconds that asking torch takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


@contextmanager
def own_gpu(processes: int) -> Iterator[None]:
    """Within this context "cuda" is a GPU on which this is one of its share of so many processes; waits for a place."""
    import torch

    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    with taken(places(uuids, processes), Path(tempfile.gettempdir())) as place:
        torch.cuda.set_device(place % len(uuids))
        yield


def places(devices: Sequence[str], processes: int) -> list[str]:
    """A name for each place of a process on a device, at least one per device: the first of every device come first."""
    each = max(1, math.ceil(processes / len(devices)))
    return [f"{device}.{place}" if place else device for place in range(each) for device in devices]


@contextmanager
def taken(names: Sequence[str], folder: Path) -> Iterator[int]:
    """The place in `names` of the device that this process holds in this context; waits while others hold all of them.

    A name says which device it is on the whole machine, whatever the numbers that a scheduler lets a job see.
    """
    while (free := _first_free(names, folder)) is None:
        time.sleep(WAIT_S)
    place, descriptor = free
    try:
        yield place
    finally:
        os.close(descriptor)


def _first_free(names: Sequence[str], folder: Path) -> tuple[int, int] | None:
    for place, name in enumerate(names):
        if (descriptor := _lock(folder, name)) is not None:
            return place, descriptor
    return None


def _lock(folder: Path, name: str) -> int | None:
    """The open lock file, locked as long as it is open; None where another process has locked it."""
    descriptor = os.open(folder / f"initbench-{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
