"""The settings of `python -m bench error_rates`.

In: nothing. Out: their class. Touches: nothing.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from bench.benchmarks.error_rates.kinds import SCENARIOS
from bench.bounds import Bound, Count, Natural, Positive
from bench.machine.settings import Settings, list_of

Scenario = Literal[*SCENARIOS]  # type: ignore[valid-type]


@dataclass(frozen=True, kw_only=True)
class ErrorRatesSettings(Settings):
    """Of all kinds, those of these scenarios, spreads and numbers of seeds are simulated."""

    scenario: list[str] = field(metadata=list_of(Scenario))
    sd: list[float] = field(metadata=list_of(Positive))
    n: list[int] = field(metadata=list_of(Count))
    simulations: Annotated[int, Bound(least=20)]  # studies of each kind
    seed: Natural
