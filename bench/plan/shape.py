"""The shape of a run: runs of one shape have models of the same tensors, and can train side by side as a pack.

In: runs. Out: their shapes, and packs. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from bench.parts.arguments import RESIDUAL, SUM
from bench.schema import Run

Shape = tuple[tuple[str, str], ...]

# runs that differ in nothing else have models of the same tensors, and cost the same
FREE_OF_SHAPE = ("seed", "order_seed", "initializer", "optimizer", "schedule")


def shape(run: Run) -> Shape:
    """The choices that decide the tensors of a run, and so its cost."""
    return tuple((key, repr(run.choices.get(key, SUM))) for key in keys_of_shape(tuple(run.choices)))


@cache
def keys_of_shape(keys: tuple[str, ...]) -> list[str]:
    """The keys on which the shape of a run depends. Cached: the runs of a study have few different sets of keys."""
    return sorted({*(key for key in keys if key.partition(".")[0] not in FREE_OF_SHAPE), RESIDUAL})


def by_shape(runs: Iterable[Run]) -> dict[Shape, list[Run]]:
    """The runs of each shape, in their order."""
    found: dict[Shape, list[Run]] = {}
    for run in runs:
        found.setdefault(shape(run), []).append(run)
    return found


def packs(runs: Sequence[Run], size: int) -> list[list[Run]]:
    """Runs of one shape in packs of at most `size`."""
    return [[*runs[first : first + size]] for first in range(0, len(runs), size)]
