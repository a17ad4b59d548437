"""Schedules of the learning rate.

In: the share of the training that is done, 0 at the first step and below 1 at the last.
Out: the factor on the learning rate. Touches: nothing.
"""

from math import cos, pi

from bench.bounds import Nonnegative, Share
from bench.registry import schedule


@schedule
def constant(progress: float) -> float:
    """One learning rate throughout."""
    return 1.0


@schedule
def step(progress: float, *, drops: list[Share], factor: Share) -> float:
    """Multiply by `factor` at each share of the training in `drops` (He et al. 2016: at 1/2 and 3/4)."""
    return float(factor ** sum(progress >= drop for drop in drops))


@schedule
def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + cos(pi * progress)) / 2


@schedule
def one_cycle(progress: float, *, rise: Share, start: Nonnegative, end: Nonnegative) -> float:
    """Half a cosine from `start` up to 1 during the share `rise`, then one down to `end` (Smith and Topin 2019)."""
    if progress < rise:
        return start + (1 - start) * (1 - cos(pi * progress / rise)) / 2
    return end + (1 - end) * cosine((progress - rise) / (1 - rise))
