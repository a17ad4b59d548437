"""The settings of `python -m bench throughput`.

In: nothing. Out: their class. Touches: nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

from bench.bounds import Bound, Positive
from bench.machine.settings import Settings, list_of


@dataclass(frozen=True, kw_only=True)
class ThroughputSettings(Settings):
    """Each law is timed on each shape (16x16x3x3, outputs first) and each network (a model of conf/)."""

    law: list[str] = field(metadata=list_of(str))
    shape: list[str] = field(metadata=list_of(str))
    network: list[str] = field(metadata=list_of(str))
    blocks: Annotated[int, Bound(least=2)]  # two give an interval
    seconds: Positive  # of timing, per library and block
    quick: bool


def quickened(settings: ThroughputSettings) -> ThroughputSettings:
    """The smallest tensor and model, for tests of the command."""
    return replace(settings, shape=["16x16x3x3"], network=["resnet8"], blocks=2, seconds=0.001)
