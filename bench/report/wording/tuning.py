"""Sentences about tuned values: how they were chosen, and what they change.

In: a Tuning. Out: sentences. Touches: nothing.
"""

from collections import Counter

from bench.report.analysis.stable import DRAWS, Prediction
from bench.report.analysis.tuning import Tuning
from bench.report.wording.answer import verdict
from bench.report.wording.format import counted, few, listed, range_of


def chosen(found: Tuning) -> str:
    """What was tuned, on which values and seeds, and where the choice is at its limit or missing."""
    tune, grids = found.tune, found.grids
    values = range_of([f"{one:g}" for one in sorted({value for grid in grids for value in grid})]) if grids else "none"
    counts = range_of([str(one) for one in sorted(map(len, grids))]) if grids else "no"
    seeds = counted(len(tune.seeds), "seed")
    sentence = (
        f"Tuned: {tune.key} of each arm, by the mean validation accuracy over {seeds} that no verdict uses, a diverged "
        f"run counted as chance, on the same {counts} values for all arms of a block, from {values} "
        f"({counted(len(found.rows), 'run')})."
    )
    edge = [one.name for one in found.arms if one.on_edge]
    if edge:
        sentence += f" The best value is still at an edge of the grid in {_by_arm(edge)}: a better one may lie beyond."
    if found.stray:
        sentence += f" Left out: {counted(len(found.stray), 'run')} at neither the shared value nor a chosen one."
    if found.failed:
        sentence += f" A tuning run failed, which leaves its arm without a value: {few(found.failed)}."
    return sentence


def changed(found: Tuning) -> str:
    """How many arms have another value when tuned, and how many pairs turn or have another verdict."""
    other = [one.name for one in found.arms if one.value not in (None, one.shared_value)]
    tuned = [one for one in found.arms if one.value is not None]
    if not tuned:
        return "No value is chosen yet."
    moved = f"in {_by_arm(other)}, {len(other)} of {len(tuned)}" if other else f"in none of {len(tuned)}"
    sentence = f"Tuning takes another value than the shared one {moved}."
    if not found.pairs:
        return sentence
    verdicts = sum(verdict(one.shared) != verdict(one.tuned) for one in found.pairs)
    shown = [one for one in found.flips if one.shown]
    sentence += (
        f" Of {counted(len(found.pairs), 'pair')}, {verdicts or 'none'} {'has' if verdicts < 2 else 'have'} another "
        f"verdict when tuned, and {len(found.flips) or 'none'} {'turns' if len(found.flips) < 2 else 'turn'} in order"
    )
    if shown:
        turned = [f"{one.tuned.better} over {one.shared.better}" for one in shown]
        return f"{sentence}, {len(shown)} of them shown both ways: {few(turned)} once tuned."
    return f"{sentence}{', none of them shown both ways' if found.flips else ''}."


def foretold(found: Prediction) -> str:
    """How well the largest stable rate at initialization orders arms by the rates at which they train."""
    orders = {
        "by the rate that tuning chooses": found.of_chosen,
        "by the highest rate at which they train": found.of_highest,
    }
    clauses = [
        f"{words} with a correlation of {one.value:.2f} (p = {one.p:.2g}, {counted(one.arms, 'arm')} in "
        f"{counted(one.blocks, 'block')})"
        for words, one in orders.items()
        if one
    ]
    if not clauses:
        return "All arms of a block train at the same rates of the grid, so there is no order to foretell."
    return (
        f"The largest stable rate before training orders the arms of a block {listed(clauses)}; correlations are "
        f"Spearman's within blocks, p-values of {DRAWS:,} random orders."
    )


def _by_arm(names: list[str]) -> str:
    """`he_normal (2 blocks) and lecun_normal (1 block)`."""
    return listed([f"{name} ({counted(count, 'block')})" for name, count in sorted(Counter(names).items())])
