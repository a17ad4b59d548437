"""One number for an arm over many blocks, as in rliable (Agarwal et al. 2021), with stratified bootstrap intervals.

In: scores by block, and a generator. Out: estimates. Touches: nothing.

`scores` are the runs of an arm, one array (runs,) per block; blocks may have different numbers of runs, and each run
weighs the same. A resample draws the runs of each block anew from that block. Intervals are percentile intervals, which
are too short for few runs per block and few blocks.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from bench.report.statistics.intervals import resample
from bench.report.statistics.sample import LEVEL, Array, Estimate, checked_level, finite

RESAMPLES = 1999
AT_ONCE = 4_000_000  # numbers of resamples held at a time

Statistic = Callable[[Array], Array]  # (..., N) -> (...)


def iqm(scores: Array) -> Array:
    """Interquartile mean of (..., N): the mean without the lowest and the highest floor(N / 4)."""
    cut = scores.shape[-1] // 4
    return np.asarray(np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1))


def optimality_gap(scores: Array, target: float = 1.0) -> Array:
    """By how much scores (..., N) fall short of `target` on average; more than the target counts as the target."""
    return np.asarray(target - np.minimum(scores, target).mean(axis=-1))


def aggregate(
    statistic: Statistic, scores: Sequence[ArrayLike], generator: Generator, level: float = LEVEL
) -> Estimate:
    """`statistic` of all runs of all blocks, in its unit, with a stratified bootstrap interval; None from single runs.

    Raises ValueError for no blocks, a block without runs, or a score that is not finite.
    """
    blocks = _blocks(scores)
    value = float(statistic(np.concatenate(blocks)))
    if all(block.size == 1 for block in blocks):
        return Estimate(value, None, None, len(blocks))
    drawn = np.concatenate([statistic(some) for some in _resampled(blocks, generator)])
    low, high = np.quantile(drawn, _tails(level))
    return Estimate(value, float(low), float(high), sum(block.size for block in blocks))


def probability_of_improvement(
    ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], generator: Generator, level: float = LEVEL
) -> Estimate:
    """How often a run of ours beats one of theirs in the same block, ties counted half, the mean over blocks.

    It is Mann & Whitney's (1947) U over the number of pairs of runs. Raises ValueError for another number of blocks, a
    block without runs, or a score that is not finite.
    """
    left, right = _blocks(ours), _blocks(theirs)
    if len(left) != len(right):
        raise ValueError(f"{len(left)} blocks cannot be compared with {len(right)}")
    wins = [(np.sign(a[:, None] - b) + 1) / 2 for a, b in zip(left, right, strict=True)]
    value = float(np.mean([won.mean() for won in wins]))
    if all(won.size == 1 for won in wins):
        return Estimate(value, None, None, len(wins))
    drawn = np.mean([_redrawn(won, generator) for won in wins], axis=0)
    low, high = np.quantile(drawn, _tails(level))
    return Estimate(value, float(low), float(high), len(wins))


def _blocks(scores: Sequence[ArrayLike]) -> list[Array]:
    if not len(scores):
        raise ValueError("an aggregate needs the scores of at least one block, not none")
    return [finite(block) for block in scores]


def _resampled(blocks: Sequence[Array], generator: Generator) -> Iterator[Array]:
    """Resamples of all runs, (some, N) at a time, RESAMPLES in all."""
    total = sum(block.size for block in blocks)
    some = max(1, min(RESAMPLES, AT_ONCE // total))
    for start in range(0, RESAMPLES, some):
        size = min(some, RESAMPLES - start)
        drawn = [block[generator.integers(0, block.size, (size, block.size))] for block in blocks]
        yield np.concatenate(drawn, axis=1)


def _redrawn(won: Array, generator: Generator) -> Array:
    """The mean of `won` (a, b) over resampled lines and resampled columns, (RESAMPLES,)."""
    lines, columns = (resample(size, generator, RESAMPLES) / size for size in won.shape)
    return np.asarray((lines * (columns @ won.T)).sum(axis=1))


def _tails(level: float) -> tuple[float, float]:
    return (1 - checked_level(level)) / 2, (1 + level) / 2
