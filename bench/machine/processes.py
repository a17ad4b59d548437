"""Which process is which, on this machine and as seen from another.

In: the number of a process. Out: where it means something, and whether it lives. Touches: /proc, which it reads.
"""

import functools
import os
import platform
from pathlib import Path


@functools.cache
def place() -> str:
    """One boot of one machine and, in a container, its own numbering of processes; a name where Linux does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def lives(pid: int, birth: str) -> bool:
    """Whether the process that had this number and this birth is alive."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is somebody else's
    return born(pid) in (None, birth)


def born(pid: int) -> str | None:
    """When a process began, in ticks since the boot, "" for one that is dead and not buried; None where unknown."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = line.rpartition(")")[2].split()  # the name of a process may hold spaces and brackets
    except (OSError, ValueError):
        return None
    return "" if state in "ZX" else fields[18]
