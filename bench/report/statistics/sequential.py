"""Interim looks: how much of the level of a family of tests each planned look may spend.

In: the planned numbers of seeds. Out: the level at each look. Touches: nothing.

The level is spent by Lan & DeMets' (1983) function of Pocock's kind: about as much at an early look as at a late one,
for most studies stop at the first look that decides them. Each look tests at what the function grants it beyond the
look before. By the union bound the chance of any false verdict over all looks is then at most alpha, whatever the
tests are and however they depend on each other: t, exact, TOST, Holm's families.
"""

import itertools
import math
from collections.abc import Sequence


def spent(share: float, alpha: float) -> float:
    """How much of `alpha` is spent at a `share` (0..1] of the planned seeds: alpha ln(1 + (e - 1) share).

    Raises ValueError for a share outside (0, 1] or an alpha outside (0, 1).
    """
    if not 0 < share <= 1 or not 0 < alpha < 1:
        raise ValueError(f"a share lies in (0, 1] and alpha in (0, 1); they are not {share} and {alpha}")
    return alpha * math.log1p((math.e - 1) * share)


def levels(looks: Sequence[int], alpha: float) -> list[float]:
    """The level of the tests at each of the `looks`, which are numbers of seeds; they sum to alpha.

    Raises ValueError unless the looks are whole numbers that rise, the first at least 2.
    """
    if not is_plan(looks):
        raise ValueError(f"looks are rising numbers of seeds from 2 on, such as [5, 10, 20], not {list(looks)}")
    granted = [0.0, *(spent(look / looks[-1], alpha) for look in looks[:-1]), alpha]
    return [after - before for before, after in itertools.pairwise(granted)]


def is_plan(looks: Sequence[object]) -> bool:
    """Whether these are planned looks: whole numbers of seeds that rise, the first at least 2."""
    whole = [look for look in looks if isinstance(look, int) and not isinstance(look, bool)]
    rises = all(before < after for before, after in itertools.pairwise(whole))
    return 0 < len(whole) == len(looks) and whole[0] >= 2 and rises
