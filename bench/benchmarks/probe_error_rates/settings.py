"""The settings of `python -m bench probe_error_rates`.

In: nothing. Out: their class. Touches: nothing.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from bench.bounds import Bound, Count, Natural
from bench.machine.settings import Settings, list_of

Part = Literal["family", "mutant", "run"]
Pairs = Annotated[int, Bound(least=3)]  # of fewer there is no test


@dataclass(frozen=True, kw_only=True)
class ProbeErrorRatesSettings(Settings):
    """Which parts are measured, and how much of each."""

    part: list[str] = field(metadata=list_of(Part))
    diagnosed: list[str] = field(metadata=list_of(str))
    nets: list[str] = field(metadata=list_of(str))
    runs: Count
    family_seeds: Count
    mutant_seeds: Pairs
    seed: Natural
