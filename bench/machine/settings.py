"""The settings of a command, none of which is part of a run's id: checked once, then in seconds and bytes.

In: the configuration that Hydra composed. Out: Settings. Touches: nothing.

The defaults are in conf/settings.yaml; a command with keys of its own extends the class by them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

from bench.bounds import Auto, Bound, Count, NoneOrTwo, Percentage, Positive, Rising, checked
from bench.registry import unknown
from bench.schema import Failure, Interval, UserError

MINUTE_S = 60.0
UNITS_S = {"s": 1.0, "min": MINUTE_S, "h": 60 * MINUTE_S}
INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h)|(\d+) ?epochs?")
MOST_THREADS = 1024
SKIP = "skip"  # of the setting `unfit`

Points = Annotated[float, Bound(above=0, most=100)]
Expiry = Annotated[float, Bound(least=0.5)]  # minutes: a lease is renewed every 10 s, and a renewal may come late


@dataclass(frozen=True, kw_only=True)
class Options:
    """Keys of a configuration as fields. A field may be stored under another name or in another unit than its key."""

    @classmethod
    def read(cls, configuration: Mapping[str, Any], prefix: str = "") -> Self:
        """Read and check the keys of this class; the others are left alone.

        Raises UserError for a value that is of another type than its field, or out of its bounds.
        """
        hints = get_type_hints(cls, include_extras=True)
        values = {}
        for one in fields(cls):
            key = one.metadata.get("key", one.name)
            if key not in configuration:
                raise UserError(f"{prefix}{key} is missing in its yaml")
            value, kind = configuration[key], one.metadata.get("kind", hints[one.name])
            if isinstance(kind, type) and issubclass(kind, Options):
                values[one.name] = kind.read(checked(f"{prefix}{key}", value, dict), f"{prefix}{key}.")
            else:
                convert = one.metadata.get("convert", lambda value: value)
                values[one.name] = convert(checked(f"{prefix}{key}", value, kind))
        return cls(**values)


def stored_from(key: str, kind: Any, convert: Callable[[Any], Any]) -> dict[str, Any]:
    """The metadata of a field that is read from another key, checked as `kind`, and converted."""
    return {"key": key, "kind": kind, "convert": convert}


def list_of(kind: Any) -> dict[str, Any]:
    """The metadata of a list, of which a single value may stand without brackets. Each value counts once."""
    return {"kind": kind | list[kind], "convert": _distinct}


def _distinct(value: Any) -> list[Any]:
    return list(dict.fromkeys(value if isinstance(value, list) else [value]))


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else MINUTE_S * minutes


def interval(every: Any) -> Interval:
    """10min, 90s, 2h or 5epochs as an interval. Raises UserError for any other value, and for zero."""
    if every is None:
        return Interval()
    found = INTERVAL.fullmatch(str(every))
    if not found or float(found[1] or found[3]) == 0:
        raise UserError(
            f"checkpoint.every takes minutes (10min, also s and h), epochs (5epochs) or null, not {every!r}; "
            "with null a run leaves a checkpoint only when it is stopped"
        )
    return Interval(epochs=int(found[3])) if found[3] else Interval(seconds=float(found[1]) * UNITS_S[found[2]])


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Options):
    """The settings of checkpoints."""

    interval: Interval = field(metadata=stored_from("every", Any, interval))


@dataclass(frozen=True, kw_only=True)
class Study(Options):
    """What the yaml of a study declares."""

    name: str
    law: str
    source: str
    question: Annotated[list[str], NoneOrTwo()]  # initializers
    margin: Points | Annotated[str, Percentage()]  # points of accuracy, or a share of the better arm's error
    rate_margin: Annotated[float, Bound(above=0, below=1)]
    line: Annotated[float, Bound(least=0, below=1)]  # share of the way from chance to 1
    looks: Annotated[list[int], Rising(2)]
    axes: dict[str, Any]
    skip: list[dict[str, Any]]

    @classmethod
    def read(cls, configuration: Mapping[str, Any], prefix: str = "") -> Self:
        """The same; UserError also for a key that no study has: a misspelled one would leave its default in force."""
        known = [one.name for one in fields(cls)]
        for key in configuration:
            if key not in known:
                raise UserError(unknown("key of a study", key, known))
        return super().read(configuration, prefix)


@dataclass(frozen=True, kw_only=True)
class Tracking(Options):
    """The mirror of the rows in Weights & Biases."""

    name: Literal["wandb", "off"]
    mode: Literal["offline", "online"]
    per: Literal["study", "run"]
    project: str
    entity: str | None
    init_timeout: Annotated[float, Bound(least=0)]  # seconds


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The settings of every command. Times are in seconds."""

    study: Study
    tracking: Tracking
    results: Path  # the folder of all studies
    format: Literal["text", "markdown", "csv", "json"]

    device: str
    threads: Annotated[int, Bound(least=1, most=MOST_THREADS)]
    data: Path
    download: bool

    packing: Count | Auto
    processes: Count | Auto
    job_seconds: Positive
    graph: bool | Auto
    compile: bool
    cache: Path | None
    checkpoint: Checkpoint
    attempts: Count
    timeout_seconds: float | None = field(metadata=stored_from("timeout", Positive | None, _seconds))
    lease_expiry_seconds: float = field(metadata=stored_from("lease_expiry", Expiry, _seconds))
    retry: Literal["failed"] | Failure | None
    unfit: Literal["skip", "refuse"]


@dataclass(frozen=True, kw_only=True)
class PlannedSettings(Settings):
    """The settings of a command that plans runs, with the overrides of the command line for their choices."""

    overrides: list[str]
