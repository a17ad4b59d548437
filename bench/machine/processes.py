"""Which process is which, on this machine and as seen from another.

In: the number of a process. Out: the namespace of that number, when the process started, whether it is alive.
Touches: /proc, which it reads.
"""

import functools
import os
import platform
from pathlib import Path


@functools.cache
def pid_namespace() -> str:
    """One boot of one machine and, in a container, its own numbering of processes; the host's name without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this number that started at this time is alive."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it belongs to another user
    return start_time(pid) in (None, started)


def start_time(pid: int) -> str | None:
    """When a process started, in ticks since the boot; "" for a zombie, None where it is unknown."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = line.rpartition(")")[2].split()  # the name of a process may hold spaces and brackets
    except (OSError, ValueError):
        return None
    return "" if state in "ZX" else fields[18]
