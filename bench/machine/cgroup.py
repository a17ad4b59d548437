"""The limits that Linux's control groups, version 1 or 2, set on this process, as in a container.

In: nothing. Out: cores, bytes. Touches: /proc and /sys, which it reads.
"""

import math
from collections.abc import Iterator
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores(groups: Path = GROUPS, own: Path = OWN) -> float | None:
    """The quota of processor time of this process, in cores; None where there is none."""
    found = [math.inf]
    for folder in _folders("cpu", groups, own):
        old = [_read(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
        quota, period, *_ = [*_read(folder / "cpu.max").split(), *old, "", ""]
        if quota.isdecimal() and period.isdecimal() and int(period):  # "max" and -1 are no quota
            found.append(int(quota) / int(period))
    return None if math.isinf(min(found)) else min(found)


def memory_bytes(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """The limit on the memory of this process and the others of its group; None where no file names one.

    Without a limit, version 1 gives a number beyond all memory.
    """
    names = ("memory.max", "memory.limit_in_bytes")
    texts = [_read(folder / name) for folder in _folders("memory", groups, own) for name in names]
    return min((int(text) for text in texts if text.isdecimal()), default=None)


def _folders(controller: str, groups: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's group and of all groups above it: the smallest of their limits holds.

    Inside a container the files of its own group are often mounted at the top, whatever path /proc names.
    """
    for line in _read(own).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = groups / controller if controllers else groups
        inside = top / path.lstrip("/")
        for folder in (inside, *inside.parents):
            if folder.is_relative_to(top) and ".." not in folder.parts:  # "..": a group that this process cannot see
                yield folder


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
