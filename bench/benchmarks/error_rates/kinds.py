"""The kinds of studies that are simulated: what is true of their arms, and how many runs they have.

In: nothing. Out: Kinds. Touches: nothing.
"""

from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

EQUAL, LOWER, FAILING_ARM, TWO_MODES = "equal", "lower", "failing_arm", "two_modes"
SCENARIOS = {
    EQUAL: "all arms are equal, and in each the same share of the runs fails",
    LOWER: "the first arm is less accurate by a shift",
    FAILING_ARM: "a share of the runs of the first arm fails, and no other run",
    TWO_MODES: "all arms are equal, and three in ten runs end 35 points lower, but above the line",
}

LARGE, SMALL = (8, 5), (2, 2)  # blocks and arms of a study
LOOKS = {5: (3, 5), 10: (3, 5, 10)}  # planned for studies of n seeds


@dataclass(frozen=True)
class Kind:
    """Studies of one kind, each of `blocks` x `arms` x `n` runs.

    sd: of the accuracies of an arm, in points; shift: how many points the first arm is lower. failing: the share of
    failing runs, of the first arm in the scenario FAILING_ARM, of every arm in the others. looks: the planned numbers
    of seeds, at each of which a study is judged; none: it is judged once.
    """

    scenario: str
    sd: float
    n: int
    failing: float = 0.0
    shift: float = 0.0
    looks: tuple[int, ...] = ()
    size: tuple[int, int] = LARGE

    @property
    def choices(self) -> dict[str, Any]:
        """The kind as the choices of a row."""
        blocks, arms = self.size
        about = {key: value for key, value in asdict(self).items() if key != "size"}
        return {**about, "looks": list(self.looks), "blocks": blocks, "arms": arms}

    @property
    def unequal(self) -> bool:
        """Whether the first arm differs from the others."""
        return self.scenario in (LOWER, FAILING_ARM)

    def beyond(self, margin: float, rate_margin: float) -> bool:
        """Whether it differs by a margin or more: of accuracy, in points, or of the training rate, a share."""
        return self.shift >= margin if self.scenario == LOWER else self.unequal and self.failing >= rate_margin


def kinds() -> list[Kind]:
    """All kinds. Arms of which few runs fail take many seeds to be called equivalent: those studies are small."""
    return [
        *(Kind(EQUAL, sd, n, failing) for sd, failing, n in product((0.6, 1.2, 5.0), (0.0, 0.1, 0.3), (3, 5, 10))),
        *(
            Kind(EQUAL, sd, n, failing, looks=looks)
            for sd, failing, (n, looks) in product((0.6, 1.2, 5.0), (0.0, 0.1, 0.3), LOOKS.items())
        ),
        Kind(EQUAL, 0.6, 20),
        *(Kind(EQUAL, 0.6, n, size=SMALL) for n in (40, 80)),
        *(Kind(LOWER, sd, n, shift=1.0) for sd, n in product((0.6, 1.2, 5.0), (5, 10, 20))),
        *(Kind(LOWER, sd, n, shift=3.0) for sd, n in product((0.6, 1.2), (5, 10, 20))),
        *(Kind(FAILING_ARM, 0.6, n, failing) for failing, n in product((0.1, 0.2, 0.3), (3, 5, 10, 20))),
        *(Kind(FAILING_ARM, 0.6, n, failing, size=SMALL) for failing, n in product((0.1, 0.2, 0.3), (40, 80))),
        *(Kind(TWO_MODES, 0.6, n) for n in (3, 5, 10)),
    ]
