"""The environment in which a row is made: the interpreter, the machine, the versions, the commit.

In: nothing. Out: plain values for the row. Touches: /proc and the git repository, which it reads.
"""

import functools
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bench
from bench.machine import cgroup

PACKAGES = ("torch", "torchvision", "numpy", "hydra-core", "omegaconf")
SOURCES = ("bench", "conf", "hydra_plugins", "pyproject.toml")  # an edit elsewhere cannot change a result
GIT_TIMEOUT_S = 10
HOME = Path(bench.__file__).resolve().parent


def describe() -> dict[str, Any]:
    """What is the same for all runs of this process, looked up once: later edits of the code do not run in it."""
    return dict(_describe())


def peak_memory_bytes() -> int:
    """The most main memory that this process has held since it started."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux it starts at the peak of the parent
        return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, the others kilobytes


@functools.cache
def _describe() -> dict[str, Any]:
    commit, dirty = git_state(HOME)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": platform.node(),
        "processor": processor(),
        "cores": _cores(),
        "initbench": bench.__version__,
        **versions(PACKAGES),
        "git_commit": commit,
        "git_dirty": dirty,
    }


def usable_cores() -> int:
    """How many cores this process may use all the time, within the quota of its control group; at least one."""
    cores, quota = int(describe()["cores"]), cgroup.cores()
    return cores if quota is None else max(1, min(cores, int(quota)))


def load() -> float | None:
    """The load: how many threads of this machine wanted a core at once, on average over the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def has_free_core() -> bool:
    """Whether this machine had a core to spare in the last minute, as far as is known."""
    return (load() or 0.0) + 1 <= (os.cpu_count() or 1)


def free_memory_bytes() -> int | None:
    """The main memory that new processes may take, within the limit of the control group; None where it is unknown."""
    (_, free), limit = memory_bytes(), cgroup.memory_bytes()
    left = None if limit is None else limit - peak_memory_bytes()
    return min((bytes for bytes in (free, left) if bytes is not None), default=None)


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The features of the processor, such as avx512_bf16; none where the system lists none."""
    return set(_value("flags", cpuinfo).split())


def memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> tuple[int | None, int | None]:
    """(All main memory of the machine, what is free for new use); None for what the system does not say."""
    total, free = (_value(key, meminfo).removesuffix("kB").strip() for key in ("MemTotal", "MemAvailable"))
    if total.isdecimal():
        return int(total) * 1024, int(free) * 1024 if free.isdecimal() else None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    except (AttributeError, OSError, ValueError):
        return None, None


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The version of each package, None for one that is not installed."""
    return {package: _version(package) for package in packages}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor."""
    return _value("model name", cpuinfo) or platform.processor() or platform.machine()


def _value(key: str, file: Path) -> str:
    """The first value under this key in a file of Linux; "" where there is none."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _cores() -> int:
    """How many cores this process may use: a cluster's scheduler may grant fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state(package: Path) -> tuple[str | None, bool | None]:
    """The commit of the checkout that tracks `package`, and whether its sources differ from it; None where unknown.

    An installed package often lies inside some other repository (its .venv), whose commit is not that of the package.
    """
    if not git(package, "ls-files", "--", "__init__.py"):
        return None, None
    commit = git(package, "rev-parse", "--verify", "HEAD")
    changes = git(package.parent, "status", "--porcelain", "--", *SOURCES) if commit else None
    return commit, None if changes is None else bool(changes)


def git(folder: Path, *arguments: str) -> str | None:
    """What git prints in this folder, stripped; None where there is no git, or where it fails or does not answer."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    # inside a hook of another repository, git's own variables would point to that one
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, env=variables, capture_output=True, timeout=GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
