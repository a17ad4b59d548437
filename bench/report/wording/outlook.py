"""The sentences of an outlook: what a plan needs, and what it cannot decide.

In: an Outlook, the power of rows that are there. Out: sentences. Touches: nothing.
"""

from collections.abc import Sequence
from statistics import median

from bench.report.analysis.outlook import Outlook
from bench.report.analysis.power import POWER, Power
from bench.report.analysis.rules import ENOUGH, Rules
from bench.report.wording.answer import margin, rate_margin
from bench.report.wording.format import counted, listed, three_digits

CANNOT = "This plan cannot decide"


def outlook(found: Outlook, rules: Rules, power: Sequence[Power] = ()) -> list[str]:
    """What the plan can decide. `power`: of the rows that the study has."""
    if not found.level:
        looks = listed([str(one) for one in rules.looks], "or")
        return [f"{CANNOT}: no verdict is due at {counted(found.seeds, 'seed')} for each arm, only at {looks}."]
    return [" ".join(_accuracy(found, rules, power)), _rate(found, rules)]


def _accuracy(found: Outlook, rules: Rules, power: Sequence[Power]) -> list[str]:
    if found.seeds < ENOUGH:
        return [f"{CANNOT} on accuracies: that takes {ENOUGH} seeds or more, and it has {found.seeds}."]
    return [*_largest(found, rules), *_seen(found, rules, power)]


def _largest(found: Outlook, rules: Rules) -> list[str]:
    """The spread that the planned seeds allow, which needs no rows."""
    one, every = found.one_pair.spread_points, found.all_pairs.spread_points
    if one is None or every is None:
        return []
    return [
        f"{counted(found.seeds, 'seed')} decide on a margin of {margin(rules)}, with a probability of {POWER:g}, where "
        f"differences between two arms have a standard deviation over seeds of at most "
        f"{_for_each(three_digits(one), three_digits(every), 'points')}."
    ]


def _seen(found: Outlook, rules: Rules, power: Sequence[Power]) -> list[str]:
    """The spread of the rows so far, and the seeds that it takes."""
    known = [
        (one.sd_points, one.one_pair.needed, one.all_pairs.needed)
        for one in power
        if one.sd_points and one.one_pair.needed and one.all_pairs.needed
    ]
    if not known:
        return [f"The seeds that a margin of {margin(rules)} needs follow from the spread of the first rows."]
    spread, one, every = (median(values) for values in zip(*known, strict=True))
    short = "" if every <= found.seeds else f" {CANNOT} all pairs there." if one <= found.seeds else f" {CANNOT} there."
    return [
        f"In the rows so far it is {three_digits(spread)} points in the median block, where a margin of "
        f"{margin(rules)} takes {_for_each(f'{one:,.0f}', f'{every:,.0f}', 'seeds')}.{short}"
    ]


def _rate(found: Outlook, rules: Rules) -> str:
    """The seeds that equal training rates take."""
    one, every = found.one_pair.rate_seeds, found.all_pairs.rate_seeds
    if found.seeds >= every:
        shown = "this plan can show arms to be equivalent"
    elif found.seeds >= one and rules.question:
        shown = f"with {found.seeds} this plan can show that of the arms of its question alone"
    else:
        shown = f"with {found.seeds} this plan can show equal accuracies, but no arms to be equivalent"
    return (
        f"To exclude a difference in training rate of {rate_margin(rules)}, where no run fails, takes "
        f"{_for_each(f'{one:,}', f'{every:,}', 'seeds')}: {shown}."
    )


def _for_each(one: str, every: str, unit: str) -> str:
    """What one pair of arms takes, and what all pairs take where that is more or less."""
    return f"{one} {unit}" if one == every else f"{one} {unit} for one pair of arms and {every} for all pairs"
