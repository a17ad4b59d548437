"""The settings of a command, none of which is part of a run's id: checked once, then in seconds and bytes.

In: the configuration that Hydra composed. Out: Settings. Touches: nothing.

The defaults are in conf/settings.yaml; a command with keys of its own extends the class by them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

from bench.bounds import (
    Auto,
    Bound,
    Count,
    Natural,
    NoneOrTwo,
    Nonnegative,
    Percentage,
    Positive,
    Rising,
    Several,
    checked,
)
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


SEEDS = re.compile(r"range\((\d+),(\d+)(?:,(\d+))?\)")


def seeds_of(key: str) -> dict[str, Any]:
    """The metadata of seeds that are given as a list or as range(start,stop[,step]): at least one, each once."""

    def seeds(declared: Any) -> tuple[int, ...]:
        if isinstance(declared, list):
            found = tuple(checked(key, declared, list[Natural]))
        else:
            spelled = SEEDS.fullmatch(str(declared).replace(" ", ""))
            found = tuple(range(*(int(one) for one in spelled.groups() if one))) if spelled else ()
        if not found or len(set(found)) < len(found):
            raise UserError(f"{key} takes different seeds as [0,1] or range(start,stop), not {declared!r}")
        return found

    return stored_from("seeds", Any, seeds)


@dataclass(frozen=True, kw_only=True)
class Declared(Options):
    """Options of which no key may be unknown: a misspelled one would leave its default in force."""

    @classmethod
    def read(cls, configuration: Mapping[str, Any], prefix: str = "") -> Self:
        """The same; UserError also for a key that there is not."""
        inside = prefix.removeprefix("study.")
        known = [inside + one.name for one in fields(cls)]
        for key in configuration:
            if inside + key not in known:
                raise UserError(unknown("key of a study", inside + key, known))
        return super().read(configuration, prefix)


@dataclass(frozen=True, kw_only=True)
class Tune(Declared):
    """How a study tunes a value, such as the learning rate, for each of its arms: on `seeds` of their own.

    values: the grid, the same for all arms of a block; auto is built around the shared value, [] tunes nothing.
    extend: the most steps by which it grows at either edge. shared: the value of runs that are not tuned; None where
    the axes or conf/ have it.
    """

    key: str
    values: Annotated[list[Positive], Rising(0)] | Auto
    seeds: tuple[int, ...] = field(metadata=seeds_of("study.tune.seeds"))
    extend: Natural
    shared: Positive | None

    def __bool__(self) -> bool:
        """Whether anything is tuned."""
        return bool(self.values)


@dataclass(frozen=True, kw_only=True)
class Screen(Declared):
    """How a study drops arms before it trains the others in full: half of those of a block at each rung.

    rungs: numbers of seeds, of `seeds`, after which arms are dropped; [] drops none.
    """

    rungs: Annotated[list[int], Rising(1)]
    seeds: tuple[int, ...] = field(metadata=seeds_of("study.screen.seeds"))

    def __bool__(self) -> bool:
        """Whether arms are dropped."""
        return bool(self.rungs)


@dataclass(frozen=True, kw_only=True)
class Study(Declared):
    """What the yaml of a study declares."""

    name: str
    law: str
    source: str
    question: Annotated[list[str], NoneOrTwo()]  # initializers
    margin: Points | Annotated[str, Percentage()]  # points of accuracy, or a share of the better arm's error
    rate_margin: Annotated[float, Bound(above=0, below=1)]
    line: Annotated[float, Bound(least=0, below=1)]  # share of the way from chance to 1
    looks: Annotated[list[int], Rising(2)]
    until: Literal["decided"] | None
    tune: Tune
    screen: Screen
    axes: dict[str, Any]
    skip: list[dict[str, Any]]

    @classmethod
    def read(cls, configuration: Mapping[str, Any], prefix: str = "") -> Self:
        """The same; a Claim where the configuration states a test."""
        claims: Any = Claim  # a subclass, which mypy does not take for Self
        return (
            claims.read(configuration, prefix)
            if cls is Study and "test" in configuration
            else super().read(configuration, prefix)
        )


@dataclass(frozen=True, kw_only=True)
class Quoted(Declared):
    """What a source printed: a value of each arm, their spreads, and n runs; nothing where it printed none."""

    values: list[float]
    spread: list[float]
    n: Count | None
    unit: str | None
    setting: str | None


FACTORS = ("steps_to_loss", "best_rate")  # estimands whose differences are factors


@dataclass(frozen=True, kw_only=True)
class ClaimTest(Declared):
    """The test of a claim: the first arm against each of the others, in every block that `where` leaves.

    An arm is the name of an initializer as a study's question has it, or the choices that make it, such as
    {initializer: fixup, normalization: none}, where arms differ in more than the initializer.
    margin: the difference that matters, in points of accuracy, as a share of the runs for training_rate, or as a factor
    for steps_to_loss and best_rate. by: a difference of direction greater or less is larger than that, in that unit.
    rate: at the learning rate that all arms share, at the tuned one, or over the grid of the axes, where a seed has
    trained if it has at one of the rates, and its best rate is the one with the highest validation accuracy.
    """

    estimand: Literal["accuracy", "training_rate", "first_epoch_accuracy", "steps_to_loss", "best_rate"]
    arms: Annotated[list[Any], Several()]
    direction: Literal["greater", "less", "equivalent", "noninferior"]
    margin: Positive
    by: Nonnegative
    where: dict[str, Any]
    rate: Literal["shared", "tuned", "grid"]


@dataclass(frozen=True, kw_only=True)
class Claim(Study):
    """A published statement: a study with a test, and where the statement comes from.

    verified: whether the quoted numbers were read in the source. tier: exact where the setting is the published one,
    which alone may say that a number is wrong; scaled where it is smaller, proxy where it is another. minutes: what it
    takes on the hardware. control: the verdict that is known beforehand. untestable: why it cannot be tested here.
    """

    says: str
    quoted: Quoted
    verified: bool
    tier: Literal["exact", "scaled", "proxy"]
    hardware: Literal["cpu", "gpu"]
    minutes: Positive | None
    deviations: list[str]
    control: Literal["supported", "refuted"] | None
    untestable: str | None
    test: ClaimTest

    @classmethod
    def read(cls, configuration: Mapping[str, Any], prefix: str = "") -> Self:
        """The same. Raises UserError too for a margin that the estimand cannot have."""
        says = configuration.get("says")
        found = super().read({**configuration, "law": says if isinstance(says, str) else ""}, prefix)
        test = found.test
        if test.estimand == "training_rate" and not max(test.margin, test.by) < 1:
            raise UserError(
                f"{prefix}test.margin of a training rate is a share of the runs below 1, not {test.margin:g}"
            )
        if test.estimand in FACTORS and not test.margin > 1:
            raise UserError(f"{prefix}test.margin of {test.estimand} is a factor above 1, not {test.margin:g}")
        if test.estimand == "best_rate" and test.rate != "grid":
            raise UserError(f"{prefix}test.rate of best_rate is grid, not {test.rate}")
        if test.rate == "grid" and test.estimand not in ("training_rate", "best_rate"):
            raise UserError(
                f"{prefix}test.rate=grid is for training_rate and best_rate; {test.estimand} takes shared or tuned"
            )
        if any(not isinstance(one, str | dict) for one in test.arms) or len({*map(type, test.arms)}) > 1:
            raise UserError(f"{prefix}test.arms are all names, or all {{KEY: VALUE}}; not {test.arms}")
        if test.rate == "tuned" and not found.tune:
            raise UserError(f"{prefix}test.rate=tuned needs {prefix}tune, with values")
        if found.until:
            raise UserError(f"{prefix}until: a claim takes seeds look after look until it is decided; leave it out")
        return found


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
