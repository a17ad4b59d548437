"""The command `doctor`: the machine, what a sweep would use of it and why, and its peak speeds.

In: settings. Out: text, and an exit code. Touches: what bench/launch/doctor touches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from bench.commands.help import text_of
from bench.commands.shared import answer
from bench.machine.settings import Settings
from bench.report.document import Cell, Table
from bench.report.terminal import aligned, wrapped

WIDTH = 100  # characters of a line
UNKNOWN = "cannot be found out"


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(Settings):
    """The settings of `doctor`."""

    precision: Literal["fp32", "bf16", "auto"] | None  # of the runs; None: as conf/ has it
    ceilings: bool


def doctor(settings: DoctorSettings) -> int:
    """Print what a sweep would use here and what is in its way; 1 where something would stop it."""
    from bench.launch import doctor as room
    from bench.launch.decisions import ChosenLauncher, decisions

    launcher = ChosenLauncher(*chosen_launcher())
    use, folders = decisions(settings, settings.precision, launcher), room.folders(settings)
    record = {
        "machine": room.machine(launcher),
        "used": {name: asdict(decision) for name, decision in use.items()},
        "folders": {name: asdict(folder) for name, folder in folders.items()},
        "ceilings": [asdict(ceilings) for ceilings in room.measured(str(use["device"].value))]
        if settings.ceilings
        else [],
        "remarks": room.remarks(settings, use, folders),
        "wrong": room.wrong(settings, folders),
    }
    print(answer(record, as_text(record), settings))
    return int(bool(record["wrong"]))


def chosen_launcher() -> tuple[str, Mapping[str, Any], list[str]]:
    """The name of the launcher, its configuration, and the names of all launchers."""
    hydra = HydraConfig.get()
    names = GlobalHydra.instance().config_loader().get_group_options("hydra/launcher")
    return hydra.runtime.choices["hydra/launcher"], hydra.launcher, names


def as_text(record: Mapping[str, Any]) -> str:
    """The record as text."""
    used = [[name, text_of(one["value"]), one["because"]] for name, one in record["used"].items()]
    parts = [["This machine", *listed(machine(record["machine"]))], ["A sweep would use", *listed(used)]]
    parts += [["Folders", *listed([[name, *folder(one)] for name, one in record["folders"].items()])]]
    if record["ceilings"]:
        header = ("", "matmul fp32", "matmul bf16", "copy")
        table = Table("ceilings", "", header, tuple(tuple(map(Cell, ceiling(one))) for one in record["ceilings"]))
        parts += [["At most, measured now", *aligned(table)]]
    ends = [*(f"remark: {one}" for one in record["remarks"]), *(f"wrong: {one}" for one in record["wrong"])]
    ends += [] if record["wrong"] else ["Nothing here would stop a sweep."]
    return "\n\n".join("\n".join(lines) for lines in [*parts, [line for one in ends for line in wrapped(one, WIDTH)]])


def listed(facts: Sequence[Sequence[str]]) -> list[str]:
    """The facts as lines with aligned columns; the last column is wrapped."""
    widths = [max(map(len, column)) for column in zip(*(fact[:-1] for fact in facts), strict=True)]
    lines = []
    for fact in facts:
        start = "".join(f"  {cell:<{width}}" for cell, width in zip(fact, widths, strict=False)) + "  "
        first, *rest = wrapped(fact[-1], max(WIDTH - len(start), WIDTH // 2))
        lines += [start + first, *(" " * len(start) + line for line in rest)]
    return lines


def machine(about: Mapping[str, Any]) -> list[list[str]]:
    """The machine as pairs of a name and a text."""
    return [
        ["processor", ", ".join([about["processor"], *about["flags"]])],
        ["cores", cores(about["cores"], about["quota_cores"], about["load"])],
        ["memory", memory(about["memory_bytes"], about["free_memory_bytes"], about["memory_limit_bytes"])],
        ["GPU", gpus(about["gpus"])],
        ["Python", f"{about['python']} on {about['platform']}"],
        ["torch", f"{about['torch']}, built for {about['torch_build']}"],
        ["initbench", code(about["initbench"], about["git_commit"], about["git_dirty"])],
        ["launchers", ", ".join(about["launchers"]) + missing(about["launcher_packages"])],
        ["optional", ", ".join(installed(about["optional"])) + missing(about["optional"])],
    ]


def cores(count: int, quota: float | None, load: float | None) -> str:
    """The cores of this process, and how many threads wanted a core in the last minute."""
    limited = "" if quota is None else f", of which a container's quota leaves {quota:g}"
    busy = f"how busy they are {UNKNOWN}" if load is None else f"in the last minute {load:.1f} threads wanted one"
    return f"{count} for this process{limited}; {busy}"


def memory(total: int | None, free: int | None, limit: int | None) -> str:
    """The main memory."""
    left = f"{size(free)} of it free" if free is not None else f"how much of it is free {UNKNOWN}"
    known = f"{size(total)}, {left}" if total is not None else UNKNOWN
    return known + ("" if limit is None else f"; {size(limit)} for this container")


def gpus(found: Sequence[Mapping[str, Any]] | None) -> str:
    """The GPUs that torch can use."""
    if found is None:
        return UNKNOWN
    text = "{name}, {size}, compute capability {compute_capability}"
    return "; ".join(text.format(size=size(one["memory_bytes"]), **one) for one in found) or "none that torch can use"


def code(version: str, commit: str | None, dirty: bool | None) -> str:
    """The version of the code, and its commit."""
    if commit is None:
        return f"{version}, in no git checkout"
    return f"{version}, commit {commit[:12]}" + " with changes that are not committed" * bool(dirty)


def installed(versions: Mapping[str, str | None]) -> list[str]:
    """The packages that are installed."""
    return [f"{name} {version}" for name, version in versions.items() if version]


def missing(versions: Mapping[str, str | None]) -> str:
    """The packages that are not installed."""
    names = [name for name, version in versions.items() if version is None]
    return f"; not installed: {', '.join(names)}" if names else ""


def folder(one: Mapping[str, Any]) -> list[str]:
    """Whether a folder can be written, its free space, and its path."""
    refused = f"cannot be written: {one['refusal']}" if one["refusal"] else "can be written"
    free = "free space " + UNKNOWN if one["free_bytes"] is None else f"{size(one['free_bytes'])} free"
    return [f"{refused}, {free}", one["path"]]


def ceiling(one: Mapping[str, Any]) -> list[str]:
    """The line of a device in the table of ceilings."""
    place = "GPU" if one["device"] == "cuda" else f"{one['threads']} thread{'s' * (one['threads'] > 1)}"
    speeds = [one["fp32_gflop_per_second"], one["bf16_gflop_per_second"]]
    peaks = [f"{speed:,.0f} GFLOP/s" if speed else "cannot be measured" for speed in speeds]
    copied = one["copy_gb_per_second"]
    return [place, *peaks, f"{copied:,.1f} GB/s" if copied else "cannot be measured"]


def size(count: int) -> str:
    """Bytes in GB."""
    return f"{count / 1e9:.1f} GB"
