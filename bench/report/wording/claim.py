"""What a verdict on a published claim says in words: only an exact setting may say that a number is wrong.

In: a Judgment. Out: sentences. Touches: nothing.
"""

import math
from collections.abc import Callable, Sequence

from scipy.special import stdtr

from bench.machine.settings import FACTORS
from bench.report.analysis.claim import (
    BEST,
    RATE,
    REFUTED,
    STEPS,
    SUPPORTED,
    UNDECIDED,
    UNTESTABLE,
    Contrast,
    Group,
    Judgment,
    arms,
    sides,
)
from bench.report.analysis.rules import ALPHA
from bench.report.statistics import Estimate
from bench.report.statistics.onesided import Means
from bench.report.wording.format import DASH, interval, listed, number, p

POINTS = 100.0
DIGITS = {STEPS: 0, BEST: 4}  # behind the point of a value that is no percentage
VERDICTS = (SUPPORTED, REFUTED, UNDECIDED, UNTESTABLE)
NOT_YET = "not judged yet"
OF_SETTING = {
    "scaled": "The setting is a smaller one than the source's: this speaks of the direction, not of its numbers.",
    "proxy": "The setting is another than the source's: this speaks of the direction, not of its numbers.",
}
WORDS = {
    "greater": "{ours} is greater than {theirs}",
    "less": "{ours} is less than {theirs}",
    "equivalent": "{ours} differs by less than {margin} from {theirs}",
    "noninferior": "{ours} is less than {margin} below {theirs}",
}
ESTIMANDS = {
    "accuracy": "test accuracy",
    RATE: "share of seeds that train",
    "first_epoch_accuracy": "validation accuracy after one epoch",
    STEPS: "steps to the target loss",
    BEST: "best learning rate of the grid",
}


def verdict(found: Judgment) -> str:
    """The verdict in a word or two."""
    return found.verdict or NOT_YET


def sentences(found: Judgment) -> list[str]:
    """The verdict with its reason, what it does not say, and the notes of the rows."""
    said = [*_verdict(found), *found.notes]
    if found.verdict in (SUPPORTED, REFUTED) and found.claim.control is None:
        said += [OF_SETTING[found.claim.tier]] if found.claim.tier in OF_SETTING else published(found)
    return said


def summary(found: Sequence[Judgment]) -> list[str]:
    """How many claims have which verdict, which have none, and whether the controls have theirs."""
    claims = [one for one in found if one.claim.control is None]
    names = {name: [one.claim.name for one in claims if one.verdict == name] for name in (None, *VERDICTS)}
    counts = [f"{len(names[name])} {name}" for name in VERDICTS[:-1]]
    lines = [f"Published sentences by the verdict on them: {listed(counts)}."]
    lines += [f"Without runs here: {', '.join(names[None])}."] if names[None] else []
    lines += [f"Untestable by this benchmark: {', '.join(names[UNTESTABLE])}."] if names[UNTESTABLE] else []
    return [*lines, "; ".join(controls([one for one in found if one.claim.control])).capitalize() + "."]


def hypothesis(found: Judgment) -> str:
    """What is tested: the estimand, the arms, the direction and its margin."""
    claim, test = found.claim, found.claim.test
    words = WORDS[test.direction].format(
        ours=arms(test)[0], theirs=" and ".join(arms(test)[1:]), margin=margin(test.margin, test.estimand)
    )
    by = f" by more than {margin(test.by, test.estimand)}" if test.by else ""
    rate = {
        "tuned": ", each at its tuned rate",
        "grid": ", at some learning rate of the grid" * (test.estimand == RATE),
    }.get(test.rate, "")
    return (
        f"{ESTIMANDS[test.estimand]}: {words}{by}{rate}, n = {found.evidence.seeds or DASH} seeds"
        + (f", {len(found.evidence.contrasts)} contrasts" * (len(found.evidence.contrasts) > 1))
        + (f"; tuned on {len(claim.tune.seeds)} seeds" * (test.rate == "tuned"))
    )


def weakest(found: Judgment) -> Contrast | None:
    """The contrast that bears the claim out least; None where none is tested."""
    _, any_of = sides(found.claim.test)
    tested = [(min(one.test.p(*side) or 0.0 for side in any_of), one) for one in found.evidence.contrasts if one.test]
    return min(tested, key=lambda one: one[0])[1] if tested else None


def controls(found: list[Judgment]) -> list[str]:
    """Whether the controls, whose verdict is known beforehand, have it."""
    lines = []
    for one in found:
        wanted = one.claim.control
        if one.verdict is None:
            lines.append(f"control {one.claim.name} has no rows yet")
        elif one.verdict == wanted:
            lines.append(f"control {one.claim.name} is {one.verdict}, as it has to be")
        else:
            lines.append(
                f"control {one.claim.name} is {one.verdict} and has to be {wanted}: no verdict here can be believed "
                "before that is explained"
            )
    return lines


def margin(value: float, estimand: str) -> str:
    """A margin in the unit of its estimand."""
    if estimand in FACTORS:
        return f"a factor of {value:g}"
    points = value * (POINTS if estimand == RATE else 1)
    return f"{points:g} point{'s' * (points != 1)}"


def value(group: Group, estimand: str) -> str:
    """What an arm reached, with its 95 % interval: percent, or steps."""
    if group.value is None:
        return DASH
    factor = POINTS if estimand == RATE else 1.0
    return interval(group.value.value, group.value.low, group.value.high, DIGITS.get(estimand, 1), factor)


def difference(found: Contrast, estimand: str) -> str:
    """The difference of the first arm from the other, in points, or as a factor of the steps."""
    if found.test is None:
        return DASH
    return shown(found.test.estimate(), estimand)


def shown(found: Estimate, estimand: str) -> str:
    """A difference with its interval."""
    if estimand in FACTORS:
        value, low, high = (_each(math.exp, one) for one in (found.value, found.low, found.high))
        return f"x {interval(value, low, high, 2)}"
    factor = POINTS if estimand == RATE else 1.0
    sign = "+" if found.value > 0 else ""
    return sign + interval(found.value, found.low, found.high, 1, factor)


def _each(change: Callable[[float], float], value: float | None) -> float | None:
    return None if value is None else change(value)


def _verdict(found: Judgment) -> list[str]:
    evidence = found.evidence
    if found.verdict is None:
        return [f"Not judged yet: none of its {evidence.planned} runs has ended."]
    if found.verdict == UNTESTABLE:
        return [f"Untestable here: {evidence.untestable}."]
    if found.verdict == UNDECIDED:
        return [_undecided(found)]
    if found.verdict == SUPPORTED:
        return [f"Supported{_every(found)}, adjusted {_p(found.support)}.", *_small(found)]
    return [f"Refuted: {_refuting(found)}, adjusted {_p(found.refute)}."]


def _every(found: Judgment) -> str:
    count = len(found.evidence.contrasts)
    return f" in all {count} contrasts" if count > 1 else ""


def _small(found: Judgment) -> list[str]:
    test = found.claim.test
    if test.direction in ("greater", "less") and not test.by and found.refute < ALPHA:
        return [f"The difference is below {margin(test.margin, test.estimand)}, the margin of this claim."]
    return []


def _refuting(found: Judgment) -> str:
    """What was found in place of what the claim says, in the contrast that shows it most."""
    test, worst = found.claim.test, weakest(found)
    assert worst is not None, "a test refuted it"
    low, high = _bounds(worst)
    where = f" in {worst.block}" if worst.block else ""
    pair = f"{worst.ours.name} and {worst.theirs.name}{where}"
    least = math.log(test.by or test.margin) if test.estimand in FACTORS else test.by or test.margin
    if test.direction in ("greater", "less"):
        if (high if test.direction == "greater" else -low) < 0:
            return f"the opposite holds for {pair}"
        if (low if test.direction == "greater" else -high) > -least and not test.by:
            return f"{pair} differ by less than {margin(test.margin, test.estimand)}"
        return f"the difference of {pair} is not as large as {margin(test.by or test.margin, test.estimand)}"
    return f"the difference of {pair} is larger than {margin(test.margin, test.estimand)}"


def _p(value: float) -> str:
    digits = p(value)
    return f"p {digits}" if digits.startswith("<") else f"p = {digits}"


def _bounds(found: Contrast) -> tuple[float, float]:
    estimate = found.test.estimate() if found.test else None
    if estimate is None or estimate.low is None or estimate.high is None:
        return -math.inf, math.inf
    return estimate.low, estimate.high


def _undecided(found: Judgment) -> str:
    evidence = found.evidence
    if evidence.missing:
        return f"Undecided: {evidence.missing} of its {evidence.planned} runs have no outcome yet."
    if not evidence.share:
        looks = ", ".join(map(str, found.claim.looks))
        return f"Undecided: a verdict is due with {looks} seeds, and there are {evidence.seeds}."
    tests = f"adjusted {_p(found.support)} for it, {_p(found.refute)} against it"
    if found.needed is None:
        return f"Undecided with {evidence.seeds} seeds ({tests}); how many would decide it cannot be foreseen."
    return f"Undecided with {evidence.seeds} seeds ({tests}); about {found.needed} would decide it, if they go on so."


def published(found: Judgment) -> list[str]:
    """Of an exact setting: whether the published difference is one that these runs allow.

    Two means with their errors, by Welch's test with the smaller degrees of freedom of both, which errs on the side of
    the published number.
    """
    quoted, lines = found.claim.quoted, []
    if len(quoted.values) != len(found.claim.test.arms):
        return []
    for number_of, one in enumerate(found.evidence.contrasts):
        place = 1 + number_of % (len(quoted.values) - 1)
        claimed = quoted.values[0] - quoted.values[place]
        if not isinstance(one.test, Means) or one.test.difference.error is None:
            continue
        error, freedom = one.test.difference.error.runs**2, one.test.n - 1
        if quoted.n and quoted.n > 1 and len(quoted.spread) == len(quoted.values):
            error += (quoted.spread[0] ** 2 + quoted.spread[place] ** 2) / quoted.n
            freedom = min(freedom, quoted.n - 1)
        chance = 2 * float(stdtr(freedom, -abs(one.test.difference.value - claimed) / math.sqrt(error or 1e-300)))
        fits = "agrees with" if chance >= ALPHA else "is wrong by"
        lines.append(
            f"The published difference of {claimed:+.2f} from {one.theirs.name} {fits} these runs: "
            f"{shown(one.test.estimate(), found.claim.test.estimand)}, {_p(chance)}."
        )
    return lines


def quoted_value(found: Judgment, place: int) -> str:
    """What the source printed for an arm: 72.53 ± 0.31 (n = 3), marked where nobody read it there."""
    quoted = found.claim.quoted
    if place >= len(quoted.values):
        return DASH
    spread = f" ± {quoted.spread[place]:g}" if place < len(quoted.spread) else ""
    n = f" (n = {quoted.n})" if quoted.n else ""
    return f"{number(quoted.values[place], 2)}{spread}{n}" + ("" if found.claim.verified else ", unverified")
