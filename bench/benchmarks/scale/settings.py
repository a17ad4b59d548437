"""The settings of `python -m bench scale`.

In: nothing. Out: their class. Touches: nothing.
"""

from dataclasses import dataclass
from typing import Literal

from bench.bounds import Count
from bench.machine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ScaleSettings(Settings):
    """A store has `rows` synthetic rows: a file for each (loose), or all in one file (sealed)."""

    rows: Count
    form: Literal["loose", "sealed"]
