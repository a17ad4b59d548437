"""The settings of the commands that measure the suite itself.

In: nothing. Out: their classes. Touches: nothing; the commands are listed by it, so it imports no torch.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from bench.benchmarks.error_rates.kinds import SCENARIOS
from bench.bounds import Bound, Count, Natural, Positive
from bench.machine.settings import Settings, list_of
from bench.report.statistics.intervals import METHODS
from bench.report.statistics.simulation import SHAPES

Blocks = Annotated[int, Bound(least=2)]  # two give an interval
Runs = Annotated[int, Bound(least=2)]  # of one run there is no interval
Pairs = Annotated[int, Bound(least=3)]  # of fewer there is no test


@dataclass(frozen=True, kw_only=True)
class SpeedSettings(Settings):
    """Works are MODEL/IMAGE; `sweep` holds overrides of the default study."""

    work: list[str] = field(metadata=list_of(str))
    batch_size: Count
    precision: Literal["fp32", "bf16", "auto"]
    blocks: Blocks
    seconds: Positive  # that an arm takes per block
    sweep: list[str] = field(metadata=list_of(str))
    sweep_blocks: Count
    soak: Natural  # runs; 0 for no soak
    minutes: Positive | None  # for facts alone
    quick: bool

    def quickened(self) -> Self:
        """The smallest of everything, for tests of the command."""
        arm = ["seed=0", "model=plain14", "normalization=batch", "activation=relu", "initializer=he_normal", "epochs=1"]
        small = replace(self, work=["resnet8/1x8x8"], batch_size=8, precision="fp32", blocks=2, seconds=0.01)
        return replace(small, sweep=arm, sweep_blocks=1, soak=8, processes=1, packing=1)


@dataclass(frozen=True, kw_only=True)
class ThroughputSettings(Settings):
    """Each law is timed on each shape (16x16x3x3, outputs first) and each network (a model of conf/)."""

    law: list[str] = field(metadata=list_of(str))
    shape: list[str] = field(metadata=list_of(str))
    network: list[str] = field(metadata=list_of(str))
    blocks: Blocks
    seconds: Positive  # of timing, per library and block
    quick: bool

    def quickened(self) -> Self:
        """The smallest tensor and model, for tests of the command."""
        return replace(self, shape=["16x16x3x3"], network=["resnet8"], blocks=2, seconds=0.001)


@dataclass(frozen=True, kw_only=True)
class CoverageSettings(Settings):
    """Every method is simulated at every number of runs `n` of every shape."""

    method: list[str] = field(metadata=list_of(Literal[*METHODS]))
    n: list[int] = field(metadata=list_of(Runs))
    shape: list[str] = field(metadata=list_of(Literal[*SHAPES]))
    level: Annotated[float, Bound(above=0, below=1)]
    simulations: Annotated[int, Bound(least=100)]  # arms per case
    seed: Natural


@dataclass(frozen=True, kw_only=True)
class ErrorRatesSettings(Settings):
    """Of all kinds, those of these scenarios, spreads and numbers of seeds are simulated."""

    scenario: list[str] = field(metadata=list_of(Literal[*SCENARIOS]))
    sd: list[float] = field(metadata=list_of(Positive))
    n: list[int] = field(metadata=list_of(Count))
    simulations: Annotated[int, Bound(least=20)]  # studies of each kind
    seed: Natural


@dataclass(frozen=True, kw_only=True)
class ProbeErrorRatesSettings(Settings):
    """Which parts are measured, and how much of each."""

    part: list[str] = field(metadata=list_of(Literal["family", "mutant", "run"]))
    diagnosed: list[str] = field(metadata=list_of(str))
    nets: list[str] = field(metadata=list_of(str))
    runs: Count
    family_seeds: Count
    mutant_seeds: Pairs
    seed: Natural


@dataclass(frozen=True, kw_only=True)
class ScaleSettings(Settings):
    """A store has `rows` synthetic rows: a file for each (loose), or all in one file (sealed)."""

    rows: Count
    form: Literal["loose", "sealed"]
