"""Whether the rows of a claim bear it out: its contrasts, their tests, and the verdicts on all claims together.

A claim says that its first arm is greater, less, equivalent or not worse than each of the others, in every block that
it is about. It is supported where all of these tests reject, so its p is their largest (intersection-union, Berger
1982). It is refuted where one of them is shown not to hold: the difference is below the margin where a larger one was
claimed, beyond the margin where none was; that p is the smallest, times the number of contrasts.

The p of all claims are two families, of support and of refutation, each adjusted by Holm, where a claim without rows
has p = 1: the chance of any false "supported" is at most alpha, and so is that of any false "refuted". A claim that is
tested look after look has the p of its look over the share of alpha that is spent there. Controls, whose verdict is
known beforehand, are outside of the families: they show that the tests work.

In: a claim, the rows that it asks for. Out: Evidence, Judgments. Touches: nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.machine.settings import FACTORS, Claim, ClaimTest
from bench.registry import unknown
from bench.report import statistics
from bench.report.analysis.arms import IMAGES, TRAINED, Arm, arm, chance, generator, outcome, two_modes
from bench.report.analysis.blocks import Block, blocks, names
from bench.report.analysis.pairs import POINTS, covers
from bench.report.analysis.rules import ALPHA, ENOUGH, Rules
from bench.report.statistics import Difference, Estimate, sequential
from bench.report.statistics.onesided import Means, OneSided, Rates, Side
from bench.schema import DIVERGED, FINAL, OK, Row, UserError

SUPPORTED, REFUTED, UNDECIDED, UNTESTABLE = "supported", "refuted", "undecided", "untestable"
RATE, STEPS, FIRST, BEST = "training_rate", "steps_to_loss", "first_epoch_accuracy", "best_rate"
GRID = "grid"
Sides = tuple[tuple[Side, float], ...]  # tests of one contrast: a side and a bound each
Values = Mapping[Any, float]  # by seed


@dataclass(frozen=True)
class Group:
    """An arm of a claim in a block: what its runs reached, in the unit of the estimand, and how many trained."""

    name: str
    value: Estimate | None
    trained: int
    ended: int


@dataclass(frozen=True)
class Contrast:
    """The first arm of a claim against another in one block, or the reason why there is no test."""

    block: str
    ours: Group
    theirs: Group
    test: OneSided | None
    reason: str = ""


@dataclass(frozen=True)
class Evidence:
    """What the rows say on one claim, before the other claims are known.

    support and refute: p of both kinds, 1 without a test. missing: the planned runs without an outcome, of `planned`.
    share: of alpha, spent at this look; 0 where no verdict is due. untestable: why no number of seeds will do.
    """

    claim: Claim
    contrasts: tuple[Contrast, ...]
    support: float
    refute: float
    missing: int
    planned: int
    share: float
    seeds: int
    untestable: str = ""

    @property
    def begun(self) -> bool:
        """Whether any run has an outcome."""
        return self.missing < self.planned


@dataclass(frozen=True)
class Judgment:
    """The verdict on a claim, with its adjusted p-values; None before any run has ended.

    needed: the seeds that an undecided claim still needs, in all, where that can be foreseen. notes: what else a reader
    has to know, such as rows that are refused or older than the claim.
    """

    evidence: Evidence
    verdict: str | None
    support: float
    refute: float
    needed: int | None = None
    notes: Sequence[str] = field(default=())

    @property
    def claim(self) -> Claim:
        """The claim."""
        return self.evidence.claim


def sides(test: ClaimTest) -> tuple[Sides, Sides]:
    """The tests that all have to reject for a claim to be supported, and those of which one refutes it."""
    margin, by = (math.log(one) if test.estimand in FACTORS and one else one for one in (test.margin, test.by))
    if test.estimand not in (RATE, *FACTORS):
        margin, by = float(margin), float(by)
    match test.direction:
        case "greater":
            return (("above", by),), (("below", by or margin),)
        case "less":
            return (("below", -by),), (("above", -(by or margin)),)
        case "noninferior":
            return (("above", -margin),), (("below", -margin),)
    return (("above", -margin), ("below", margin)), (("above", margin), ("below", -margin))


def evidence(claim: Claim, rows: Sequence[Row], unfit: Iterable[str] = ()) -> Evidence:
    """What these rows say: one for each run that the claim asks for at its look, without an outcome where it has none.

    `unfit`: reasons why an arm of the claim cannot be drawn. Raises UserError as `arm` does.
    """
    test, rules = claim.test, Rules.of(claim)
    chosen = _about(claim, rows)
    found = tuple(
        _contrast(block, name, other, test, rules) for block, name in _blocks(chosen, test) for other in arms(test)[1:]
    )
    support, refute = _p(found, *sides(test))
    missing = sum(row.status not in FINAL for row in rows)
    seeds = len({row.choices.get("seed") for row in chosen})
    share, due = _share(claim, seeds), missing == 0
    reasons = [claim.untestable or "", *unfit]
    reasons += [one.reason for one in found if due and one.test is None]
    reasons += [f"no run of it is about {test.where or 'its arms'}"] if due and not found else []
    return Evidence(
        claim, found, support, refute, missing, len(rows), share if due else 0.0, seeds, next(filter(None, reasons), "")
    )


def judged(found: Sequence[Evidence], alpha: float = ALPHA) -> list[Judgment]:
    """The verdicts on these claims, which are one family but for the controls."""
    family = [one for one in found if one.claim.control is None]
    support, refute = (_holm([_scaled(one, kind) for one in family]) for kind in KINDS)
    adjusted = {one.claim.name: pair for one, *pair in zip(family, support, refute, strict=True)}
    usual = {one.claim.name: [_scaled(one, kind) for kind in KINDS] for one in found}
    return [_judgment(one, *(usual | adjusted)[one.claim.name], alpha=alpha, claims=len(family)) for one in found]


KINDS = ("support", "refute")


def _judgment(one: Evidence, support: float, refute: float, *, alpha: float, claims: int) -> Judgment:
    if one.untestable:
        return Judgment(one, UNTESTABLE, support, refute)
    if not one.begun:
        return Judgment(one, None, support, refute)
    if support < alpha:
        return Judgment(one, SUPPORTED, support, refute)
    if refute < alpha:
        return Judgment(one, REFUTED, support, refute)
    level = alpha * (one.share or 1.0) / (1 if one.claim.control else claims)
    return Judgment(one, UNDECIDED, support, refute, _needed(one, level))


def _scaled(one: Evidence, kind: str) -> float:
    """The p at the level alpha, of a claim whose look may spend a share of it."""
    return min(1.0, getattr(one, kind) / one.share) if one.share and not one.untestable else 1.0


def _holm(values: Sequence[float]) -> list[float]:
    return [float(p) for p in statistics.holm(values)] if values else []


def _needed(one: Evidence, level: float) -> int | None:
    """The fewest seeds with which either verdict is expected, where the runs go on as they have begun."""
    every, any_of = sides(one.claim.test)
    tests = [contrast.test for contrast in one.contrasts if contrast.test]
    to_support = [test.needed(side, bound, level) for test in tests for side, bound in every]
    to_refute = [
        test.needed(side, bound, level / max(1, len(tests) * len(any_of))) for test in tests for side, bound in any_of
    ]
    ways = [seeds for seeds in to_refute if seeds is not None]
    if to_support and None not in to_support:
        ways.append(max(seeds for seeds in to_support if seeds is not None))
    return max(min(ways), one.seeds + 1) if ways else None


def _p(found: Sequence[Contrast], every: Sides, any_of: Sides) -> tuple[float, float]:
    tests = [one.test for one in found]
    supporting = [_of(test, side, bound) for test in tests for side, bound in every]
    refuting = [_of(test, side, bound) for test in tests for side, bound in any_of]
    return max(supporting, default=1.0), min(1.0, len(refuting) * min(refuting, default=1.0))


def _of(test: OneSided | None, side: Side, bound: float) -> float:
    p = test.p(side, bound) if test else None
    return 1.0 if p is None else p


def _share(claim: Claim, seeds: int) -> float:
    """The share of alpha that the look at this number of seeds may spend; 1 without looks, 0 between them."""
    if not claim.looks:
        return 1.0
    return sequential.levels(claim.looks, ALPHA)[claim.looks.index(seeds)] / ALPHA if seeds in claim.looks else 0.0


def arms(test: ClaimTest) -> list[str]:
    """The names of the arms: fixup/none for one of choices."""
    return [one if isinstance(one, str) else "/".join(map(str, one.values())) for one in test.arms]


def _about(claim: Claim, rows: Sequence[Row]) -> list[Row]:
    """The rows of the blocks that a claim is about, those of an arm that is made of choices under its name."""
    chosen = [row for row in rows if _is_about(row, claim)]
    if isinstance(claim.test.arms[0], str):
        return chosen
    made = list(zip(arms(claim.test), claim.test.arms, strict=True))
    return [_as_arm(row, name, one) for row in chosen for name, one in made if _has(row, one)]


def _has(row: Row, choices: Mapping[str, Any]) -> bool:
    return all(row.choices.get(key) == value for key, value in choices.items())


def _as_arm(row: Row, name: str, made_of: Mapping[str, Any]) -> Row:
    """The row as one of an initializer of that name, without the choices that make the arm and their arguments."""
    words = {"initializer", *made_of}
    rest = {key: value for key, value in row.choices.items() if key not in words and key.partition(".")[0] not in words}
    return replace(row, choices={**rest, "initializer": name})


def _is_about(row: Row, claim: Claim) -> bool:
    """Whether the row is in a block that the claim is about, at its rate."""
    rate = {claim.tune.key: claim.test.rate} if claim.tune else {}
    return all(_is_one_of(row.choices.get(key), value) for key, value in {**claim.test.where, **rate}.items())


def _is_one_of(choice: Any, wanted: Any) -> bool:
    return choice in wanted if isinstance(wanted, list) else choice == wanted


def _blocks(rows: Sequence[Row], test: ClaimTest) -> list[tuple[Block, str]]:
    """The blocks that have an arm of the test, each with its name; with rate=grid, one for all learning rates."""
    if test.rate == GRID:
        rows = [_without_rate(row) for row in rows]
    found = [block for block in blocks(rows) if any(name in block.arms for name in arms(test))]
    return list(zip(found, names(found), strict=True)) if found else []


def check_arms(claim: Claim, rows: Sequence[Row]) -> None:
    """Raise UserError where the runs of a claim have no arm of a name that its test has, or none that it is about."""
    chosen = _about(claim, rows)
    if not chosen:
        raise UserError(f"claim {claim.name}: no run that its axes ask for is at test.where and test.rate")
    known = {name for block in blocks(chosen) for name in block.arms}
    if missing := [name for name in arms(claim.test) if name not in known]:
        raise UserError(f"claim {claim.name}: test.arms: {unknown('arm', missing[0], known)}")


def _without_rate(row: Row) -> Row:
    """The row with its learning rate among its measures."""
    rates = {key: value for key, value in row.choices.items() if key.endswith(".learning_rate")}
    choices = {key: value for key, value in row.choices.items() if key not in rates}
    return replace(row, choices=choices, measures={**row.measures, BEST: next(iter(rates.values()), None)})


def _contrast(block: Block, name: str, other: str, test: ClaimTest, rules: Rules) -> Contrast:
    images = next((row.environment.get("test_images") for rows in block.arms.values() for row in rows), None)
    pair = (arms(test)[0], other)
    if missing := [one for one in pair if not block.arms.get(one)]:
        reason = f"{missing[0]} has no run{f' in {name}' if name else ''}"
        return Contrast(name, Group(pair[0], None, 0, 0), Group(other, None, 0, 0), None, reason)
    ours, theirs = (arm(one, block.arms[one], rules, 1 / images if images else 0.0) for one in pair)
    if test.estimand == RATE:
        return _of_rates(name, ours, theirs, rules)
    if test.estimand == "accuracy":
        return _of_accuracies(name, ours, theirs, 100 / images if images else 0.0)
    return _of_measures(name, ours, theirs, test.estimand)


def _of_rates(name: str, ours: Arm, theirs: Arm, rules: Rules) -> Contrast:
    counts = [_trained_seeds(one.rows, rules) for one in (ours, theirs)]
    groups = [
        Group(one.name, statistics.wilson(*count) if count[1] else None, *count)
        for one, count in zip((ours, theirs), counts, strict=True)
    ]
    if not all(ended for _, ended in counts):
        return Contrast(name, groups[0], groups[1], None, "an arm has no run that ended")
    return Contrast(name, groups[0], groups[1], Rates(*counts[0], *counts[1]))


def _trained_seeds(rows: Iterable[Row], rules: Rules) -> tuple[int, int]:
    """How many seeds trained, at one learning rate or at any of several, and of how many."""
    seeds: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        seeds[row.choices.get("seed")].append(row)
    ended = [mine for mine in seeds.values() if all(row.status in (OK, DIVERGED) for row in mine)]
    return sum(any(outcome(row, rules) == TRAINED for row in mine) for mine in ended), len(ended)


def _of_accuracies(name: str, ours: Arm, theirs: Arm, resolution: float) -> Contrast:
    groups = [
        Group(one.name, one.accuracy.times(POINTS) if one.accuracy else None, one.trained, one.ended)
        for one in (ours, theirs)
    ]
    seeds = [seed for seed in ours.by_seed if seed in theirs.by_seed]
    if len(seeds) < ENOUGH:
        few = min(groups, key=lambda one: one.trained)
        reason = f"{few.name} trained with {few.trained} of {few.ended} seeds, too few to compare accuracies"
        return Contrast(name, groups[0], groups[1], None, reason)
    values = [one.answers if covers(ours, theirs) == IMAGES else one.by_seed for one in (ours, theirs)]
    left, right = (POINTS * np.array([one[seed] for seed in seeds]) for one in values)
    found = statistics.paired_difference(left, right, resolution)
    single = [POINTS * (ours.by_seed[seed] - theirs.by_seed[seed]) for seed in seeds]
    return Contrast(name, groups[0], groups[1], _guarded(found, single, ours.modes or theirs.modes))


def _of_measures(name: str, ours: Arm, theirs: Arm, estimand: str) -> Contrast:
    """Of a measure that a seed has whether it trained or not: accuracy after an epoch, steps to a loss, best rate."""
    budget = max((row.measures.get("steps") or 0 for one in (ours, theirs) for row in one.rows), default=0)
    values = [_measured(one, estimand, budget) for one in (ours, theirs)]
    groups = [
        Group(one.name, _shown(mine, estimand), one.trained, one.ended)
        for one, mine in zip((ours, theirs), values, strict=True)
    ]
    seeds = [seed for seed in values[0] if seed in values[1]]
    if len(seeds) < ENOUGH:
        return Contrast(name, groups[0], groups[1], None, f"{len(seeds)} seeds ended in both arms, too few to compare")
    single = [values[0][seed] - values[1][seed] for seed in seeds]
    found = statistics.paired_difference([*(values[0][seed] for seed in seeds)], [*(values[1][seed] for seed in seeds)])
    modes = estimand in FACTORS or any(two_modes([*one.values()]) for one in values)
    return Contrast(name, groups[0], groups[1], _guarded(found, single, modes))


def _guarded(found: Difference, single: Sequence[float], modes: bool) -> Means:
    """The difference, whose t test two modes would make too sure."""
    if not modes:
        return Means(found)
    return Means(found, lambda bound: statistics.sign_flips([one - bound for one in single], generator()))


def _measured(one: Arm, estimand: str, budget: float) -> Values:
    """By seed: points of accuracy, a diverged run counted as chance, or the log of the steps to the loss or best rate.

    A run that never got there counts as if it had at the end of its budget: a slow arm looks faster than it is.
    """
    rows = [row for row in one.rows if row.status in (OK, DIVERGED)]
    if estimand == BEST:
        return {seed: math.log(rate) for seed, rate in _best_rates(rows).items()}
    if estimand == FIRST:
        guess = chance(rows)
        reached = {row.choices.get("seed"): row.measures.get(FIRST) for row in rows}
        return {seed: POINTS * (guess if value is None else value) for seed, value in reached.items()}
    ends = {row.choices.get("seed"): row.measures.get(STEPS) or budget for row in rows}
    return {seed: math.log(value) for seed, value in ends.items() if value}


def _best_rates(rows: Iterable[Row]) -> dict[Any, float]:
    """By seed: of its runs, the learning rate of the one with the highest validation accuracy, the lower of two."""
    best: dict[Any, tuple[float, float]] = {}
    for row in rows:
        rate, seed = row.measures.get(BEST), row.choices.get("seed")
        if rate:
            reached = -1.0 if row.status == DIVERGED else row.measures.get("validation_accuracy") or 0.0
            best[seed] = max(best.get(seed, (reached, -rate)), (reached, -rate))
    return {seed: -rate for seed, (_, rate) in best.items()}


def _shown(values: Values, estimand: str) -> Estimate | None:
    """The mean with its interval: points, or the geometric mean of steps and rates."""
    if not values:
        return None
    found = statistics.interval([*values.values()], generator())
    if estimand not in FACTORS:
        return found
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return Estimate(math.exp(found.value), low, high, found.n)
