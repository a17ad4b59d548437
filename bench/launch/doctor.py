"""The doctor: what this machine is, what it can do at most, and what would stop or slow a sweep on it.

In: settings, and the decisions that follow from them. Out: facts, peaks, sentences that name the way out. Touches: the
device, and the folders of the settings, in each of which it writes a file and removes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from bench.launch.autotune import Memory
from bench.launch.decisions import ChosenLauncher, Decision, flags
from bench.machine import cgroup as container
from bench.machine import environment, peak
from bench.machine.disk import free_bytes, refusal
from bench.machine.gpus import gpu_count
from bench.machine.precision import BF16, FP32
from bench.machine.settings import Settings

OPTIONAL = ("typst", "wandb", "pytest-benchmark", "timm", "keras", "jax")
LAUNCHERS = ("joblib", "submitit", "ray")  # the packages that bring launchers which are tested here
LEAST_BYTES = 10**8  # of free disk: some 10,000 rows, or the checkpoints of a few runs


@dataclass(frozen=True)
class Folder:
    """A folder; `refusal` says why it cannot be written ("" where it can), `free_bytes` is None where unknown."""

    path: str
    refusal: str
    free_bytes: int | None


@dataclass(frozen=True)
class Ceilings:
    """What a GPU, or the processor with `threads` threads, does at most; None for what could not be measured."""

    device: str
    threads: int
    fp32_gflop_per_second: float | None
    bf16_gflop_per_second: float | None
    copy_gb_per_second: float | None


def machine(launcher: ChosenLauncher) -> dict[str, Any]:
    """The hardware of this machine and what is installed; None for what is absent or unknown."""
    about = environment.describe()
    total, free = environment.memory_bytes()
    return {
        "processor": about["processor"],
        "flags": flags(),
        "cores": about["cores"],
        "quota_cores": container.cores(),
        "load": environment.load(),
        "memory_bytes": total,
        "free_memory_bytes": free,
        "memory_limit_bytes": memory_limit(total),
        "gpus": seen_gpus(),
        **{name: about[name] for name in ("platform", "python", "torch")},
        "torch_build": torch_build(),
        **{name: about[name] for name in ("initbench", "git_commit", "git_dirty")},
        "launchers": list(launcher.names),
        "launcher_packages": environment.versions(f"hydra-{name}-launcher" for name in LAUNCHERS),
        "optional": environment.versions(OPTIONAL),
    }


def memory_limit(total: int | None) -> int | None:
    """The memory limit of a container; None where it may use all memory."""
    limit = container.memory_bytes()
    return None if limit is None or (total is not None and limit >= total) else limit


def seen_gpus() -> list[dict[str, Any]] | None:
    """Name, memory and compute capability of each GPU that torch can use; None where one of them does not answer."""
    try:
        gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    except (RuntimeError, AssertionError):
        return None
    return [
        {"name": gpu.name, "memory_bytes": gpu.total_memory, "compute_capability": f"{gpu.major}.{gpu.minor}"}
        for gpu in gpus
    ]


def torch_build() -> str:
    """What torch was built for."""
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return f"ROCm {torch.version.hip}" if torch.version.hip else "the CPU alone"


def folders(settings: Settings) -> dict[str, Folder]:
    """The folders that a sweep writes to, or reads data from."""
    paths = {"results": settings.results, "data": settings.data, "cache": Memory(settings.cache).path.parent}
    return {name: Folder(str(path.absolute()), refusal(path), free_bytes(path)) for name, path in paths.items()}


def wrong(settings: Settings, folders: Mapping[str, Folder]) -> list[str]:
    """What would stop a sweep, and the way out."""
    results, data, sentences = folders["results"], folders["data"], []
    if results.refusal:
        sentences.append(f"{results.path} cannot be written: {results.refusal}; choose another folder with results=DIR")
    elif results.free_bytes is not None and results.free_bytes < LEAST_BYTES:
        left = f"{results.free_bytes / 1e6:.0f} MB are free on the disk of {results.path}"
        way_out = "make room, or choose another folder with results=DIR"
        sentences.append(f"{left}, too few for the rows of a study; {way_out}")
    if settings.download and data.refusal:
        sentences.append(f"{data.path} cannot be written: {data.refusal}; choose another folder with data=DIR")
    return sentences


def remarks(settings: Settings, use: Mapping[str, Decision], folders: Mapping[str, Folder]) -> list[str]:
    """What would slow a sweep without stopping it, and the way out."""
    cache, sentences = folders["cache"], []
    if gpu_count() and not torch.cuda.is_available():
        sentences.append(
            f"torch, built for {torch_build()}, can use none of the GPUs that are here or that CUDA_VISIBLE_DEVICES "
            f"names ({gpu_count()}); install a build of torch that fits the driver which nvidia-smi names"
        )
    if use["device"].value == "cpu" and isinstance(count := use["processes"].value, int):
        sentences += crowded(count, settings.threads)
    if cache.refusal:
        sentences.append(
            f"{cache.path} cannot be written: {cache.refusal}; each sweep would measure anew, so choose another folder "
            "with cache=DIR"
        )
    return sentences


def crowded(processes: int, threads: int) -> list[str]:
    """A remark, where more threads would train than there are cores."""
    free = environment.usable_cores()
    if processes * threads <= free:
        return []
    fitting, cores, quota = min(threads, free), environment.describe()["cores"], container.cores()
    available = (
        f"{cores} cores" if quota is None or quota >= cores else f"the {quota:g} cores of this container's quota"
    )
    return [
        f"processes={processes} with threads={threads} make {processes * threads} threads, which wait for each other "
        f"on {available}; write processes={free // fitting} threads={fitting}"
    ]


def measured(device: str) -> list[Ceilings]:
    """The ceilings of the GPU, where runs train on one, and of the processor with one thread and with all cores."""
    gpu = [ceilings_of("cuda", 1)] if device == "cuda" else []
    return gpu + [ceilings_of("cpu", threads) for threads in sorted({1, environment.usable_cores()})]


def ceilings_of(device: str, threads: int) -> Ceilings:
    """The ceilings of the GPU, or of the processor with this number of threads."""
    matmuls = [partial(peak.matmul, name, device, threads) for name in (FP32, BF16)]
    copy = partial(peak.copy, device, threads)
    return Ceilings(device, threads, *(billions(measure) for measure in (*matmuls, copy)))


def billions(measure: Callable[[], float]) -> float | None:
    """The measured speed in billions per second; None where this machine cannot do the work."""
    try:
        return measure() / 1e9
    except (RuntimeError, MemoryError):
        return None
