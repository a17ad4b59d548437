"""The settings of `python -m bench speed`.

In: nothing. Out: their class. Touches: nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from bench.bounds import Bound, Count, Natural, Positive
from bench.machine.settings import Settings, list_of


@dataclass(frozen=True, kw_only=True)
class SpeedSettings(Settings):
    """Works are MODEL/IMAGE; `sweep` holds overrides of the default study."""

    work: list[str] = field(metadata=list_of(str))
    batch_size: Count
    precision: Literal["fp32", "bf16", "auto"]
    blocks: Annotated[int, Bound(least=2)]  # two give an interval
    seconds: Positive  # that an arm takes per block
    sweep: list[str] = field(metadata=list_of(str))
    sweep_blocks: Count
    soak: Natural  # runs; 0 for no soak
    quick: bool
    minutes: Positive | None  # for facts alone


def quickened(settings: SpeedSettings) -> SpeedSettings:
    """The smallest of everything, for tests of the command."""
    default = ["seed=0", "model=plain14", "normalization=batch", "activation=relu", "initializer=he_normal", "epochs=1"]
    return replace(
        settings,
        work=["resnet8/1x8x8"],
        batch_size=8,
        precision="fp32",
        blocks=2,
        seconds=0.01,
        sweep=default,
        sweep_blocks=1,
        soak=8,
        processes=1,
        packing=1,
    )
