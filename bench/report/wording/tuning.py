"""Sentences about tuned values: how they were chosen, and what they change.

In: a Tuning. Out: sentences. Touches: nothing.
"""

from collections import Counter

from bench.report.analysis.stable import DRAWS, FEWEST, Prediction
from bench.report.analysis.tuning import Tuning, Twice
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
    sentence += _worse(found)
    pairs = [one for one in found.pairs if {one.shared.initializer, one.shared.other} & _moved(found, one)]
    if not pairs:
        return sentence
    verdicts = sum(verdict(one.shared) != verdict(one.tuned) for one in pairs)
    flips = [one for one in pairs if one.turns]
    shown = [one for one in flips if one.shown]
    sentence += (
        f" Of {counted(len(pairs), 'pair')} with such an arm, {verdicts or 'none'} {'has' if verdicts < 2 else 'have'} "
        f"another verdict when tuned, and {len(flips) or 'none'} {'turns' if len(flips) < 2 else 'turn'} in order"
    )
    if shown:
        turned = [f"{one.tuned.better} over {one.shared.better}" for one in shown]
        return f"{sentence}, {len(shown)} of them shown both ways: {few(turned)} once tuned."
    return f"{sentence}{', none of them shown both ways' if flips else ''}."


def _moved(found: Tuning, pair: Twice) -> set[str]:
    """The arms of the block of a pair that take another value than the shared one."""
    return {
        one.name
        for one in found.arms
        if one.value not in (None, one.shared_value) and dict(one.choices) == dict(pair.choices)
    }


def _worse(found: Tuning) -> str:
    """How many arms are less accurate on test data at the value that validation chose."""
    moved = [one for one in found.arms if one.value not in (None, one.shared_value)]
    both = [(one.shared.mean_of_all, one.tuned.mean_of_all) for one in moved if one.shared and one.tuned]
    known = [(shared, tuned) for shared, tuned in both if shared is not None and tuned is not None]
    if not known:
        return ""
    worse = sum(tuned < shared for shared, tuned in known)
    return f" Of the {len(known)}, {worse or 'none'} {'has' if worse < 2 else 'have'} a lower mean on test data at it."


def predicted(found: Prediction) -> str:
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
    unknown = (
        f" {counted(found.unknown, 'arm')} of a block {'has' if found.unknown == 1 else 'have'} no stable rate, for "
        "the loss is concave along its gradient in some draw of the weights."
        if found.unknown
        else ""
    )
    if not clauses:
        return f"No block has {FEWEST} arms with a stable rate that train at different rates.{unknown}"
    return (
        f"The largest stable rate before training orders the arms of a block {listed(clauses)}; correlations are "
        f"Spearman's within blocks, p-values one-sided, of {DRAWS:,} random orders.{unknown}"
    )


def _by_arm(names: list[str]) -> str:
    """`he_normal (2 blocks) and lecun_normal (1 block)`."""
    return listed([f"{name} ({counted(count, 'block')})" for name, count in sorted(Counter(names).items())])
