"""The published claims: a table with a line per claim, and one claim with its evidence side by side with the source.

In: Judgments, what they cost. Out: Tables, parts, records. Touches: nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.machine.settings import FACTORS
from bench.report.analysis.claim import BEST, STEPS, Contrast, Judgment, arms
from bench.report.document import Cell, Part, Section, Sheet, Table
from bench.report.wording import claim as wording
from bench.report.wording.format import DASH, number

HEADING = "Published claims"
CAPTION = (
    "What rows of this benchmark say of published sentences. Only a claim of tier exact, whose setting is that of its "
    "source, may say that a published number is wrong; the others speak of a direction."
)
WIDTH = 41  # columns of the plot
Cost = Mapping[str, int]  # runs by the name of a claim


def sheet(found: Sequence[Judgment], shown: Sequence[str], cost: Cost, details: bool = False) -> Sheet:
    """The claims named in `shown` as a table, with the sentences on the controls; with `details` each one first.

    A page has the sentences and all contrasts, where a terminal has no room for them.
    """
    chosen = [one for one in found if one.claim.name in shown]
    lines = [record(one, cost) for one in chosen]
    checks = tuple(wording.controls([one for one in found if one.claim.control]))
    whole = table(chosen, cost)
    parts = tuple(map(detail, chosen)) if details else (overview(whole),)
    page = (Section(HEADING, (whole, checks, *of_paper(chosen)[1:]), 2),)
    return Sheet((*parts, checks), pd.DataFrame(map(flat, lines)), lines, page)


def table(found: Sequence[Judgment], cost: Cost) -> Table:
    """A line per claim: what it says, its tier, the runs and minutes that it takes, the verdict."""
    header = ("claim", "says", "source", "tier", "hardware", "runs", "minutes", "seeds", "verdict")
    lines = [
        (
            Cell(one.claim.name),
            Cell(one.claim.says),
            Cell(one.claim.source),
            Cell(one.claim.tier),
            Cell(one.claim.hardware),
            Cell(str(cost[one.claim.name]), cost[one.claim.name]),
            Cell(number(one.claim.minutes, 1), one.claim.minutes),
            Cell(str(one.evidence.seeds) if one.evidence.begun else DASH),
            Cell(wording.verdict(one)),
        )
        for one in found
    ]
    return Table("published_claims", CAPTION, header, tuple(lines), labels=5)


def overview(whole: Table) -> Table:
    """The same for a terminal, without the sentences."""
    kept = [place for place, name in enumerate(whole.header) if name not in ("says", "source")]
    lines = tuple(tuple(line[place] for place in kept) for line in whole.lines)
    return Table(whole.name, whole.caption, tuple(whole.header[place] for place in kept), lines, labels=3)


def of_paper(found: Sequence[Judgment]) -> list[Table]:
    """The claims that were judged, a line each, and all their contrasts."""
    begun = [one for one in found if one.evidence.begun and one.verdict]
    lines = [
        (
            Cell(one.claim.says, one.claim.name),
            Cell(one.claim.tier),
            Cell(str(one.evidence.seeds), one.evidence.seeds),
            Cell(wording.difference(weak, one.claim.test.estimand) if (weak := wording.weakest(one)) else DASH),
            Cell(wording.verdict(one)),
        )
        for one in begun
    ]
    header = ("published sentence", "tier", "seeds", "first arm minus the other", "verdict")
    judged = Table("claims", f"{CAPTION} Of several contrasts, the one that bears it out least.", header, tuple(lines))
    every = tuple((Cell(one.claim.name), *line) for one in begun for line in side_by_side(one).lines)
    caption = "The contrasts of the published claims: each arm's published value, and what the runs here reached."
    columns = ("claim", "block", "arm", "published", "here", "trained", "first arm minus this")
    return [judged, Table("claim_contrasts", caption, columns, every, 3)]


def detail(found: Judgment) -> Section:
    """A claim: its sentence, its test, published and own numbers side by side, a plot, the verdict in words."""
    claim = found.claim
    setting = [f"Setting of the source: {claim.quoted.setting}."] if claim.quoted.setting else []
    parts: list[Part] = [claim.says, f"Source: {claim.source}.", *setting, f"Test: {wording.hypothesis(found)}."]
    parts += [tuple(f"Deviation: {one}" for one in claim.deviations)] if claim.deviations else []
    if found.evidence.begun:
        parts += [side_by_side(found), plot(found)]
    return Section(claim.name, (*parts, *wording.sentences(found)))


def side_by_side(found: Judgment) -> Table:
    """A line per contrast and arm: the published value, the own one, how many trained, the difference."""
    estimand, names = found.claim.test.estimand, arms(found.claim.test)
    lines = []
    for one in found.evidence.contrasts:
        for group, difference in ((one.ours, ""), (one.theirs, wording.difference(one, estimand))):
            lines.append(
                (
                    Cell(one.block or "all runs"),
                    Cell(group.name),
                    Cell(wording.quoted_value(found, names.index(group.name))),
                    Cell(wording.value(group, estimand)),
                    Cell(f"{group.trained}/{group.ended}"),
                    Cell(difference),
                )
            )
    unit = f" ({found.claim.quoted.unit})" if found.claim.quoted.unit else ""
    own = {STEPS: "steps", BEST: "rate"}.get(estimand, "%")
    header = ("block", "arm", f"published{unit}", f"here ({own})", "trained", "first arm minus this")
    return Table("evidence", wording.hypothesis(found), header, tuple(lines), 2)


def plot(found: Judgment) -> Table:
    """The differences with their 95 % intervals on one axis: `|` is no difference, `:` the margin, `o` the estimate."""
    estimates = [(one, one.test.estimate()) for one in found.evidence.contrasts if one.test]
    margin = _margin(found)
    bounds = [margin, -margin]
    bounds += [bound for _, one in estimates for bound in (one.low, one.high, one.value) if bound is not None]
    reach = max(abs(bound) for bound in bounds) or 1.0
    lines = []
    for one, estimate in estimates:
        low, high = (estimate.value if bound is None else bound for bound in (estimate.low, estimate.high))
        drawn = _drawn(low, estimate.value, high, margin, reach)
        lines.append((Cell(_named(one)), Cell(drawn), Cell(wording.difference(one, found.claim.test.estimand))))
    return Table("plot", "", ("contrast", "less  |  greater".center(WIDTH), "difference"), tuple(lines), 2)


def record(found: Judgment, cost: Cost) -> dict[str, Any]:
    """A claim as JSON has it."""
    claim, evidence = found.claim, found.evidence
    return {
        "name": claim.name,
        "tier": claim.tier,
        "hardware": claim.hardware,
        "verdict": found.verdict,
        "says": claim.says,
        "source": claim.source,
        "verified": claim.verified,
        "quoted": asdict(claim.quoted),
        "control": claim.control,
        "runs": cost[claim.name],
        "minutes": claim.minutes,
        "test": asdict(claim.test),
        "seeds": evidence.seeds if evidence.begun else 0,
        "p_support": found.support,
        "p_refute": found.refute,
        "needed": found.needed,
        "contrasts": [_record(one) for one in evidence.contrasts if evidence.begun],
        "sentences": wording.sentences(found),
    }


def flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers and texts of a record, for csv."""
    return {key: value for key, value in line.items() if not isinstance(value, dict | list)}


def _record(one: Contrast) -> dict[str, Any]:
    estimate = one.test.estimate() if one.test else None
    arms = {
        group.name: {
            "value": group.value.value if group.value else None,
            "trained": group.trained,
            "ended": group.ended,
        }
        for group in (one.ours, one.theirs)
    }
    numbers = {key: getattr(estimate, name) if estimate else None for key, name in NUMBERS.items()}
    return {"block": one.block, "arms": arms, **numbers, "reason": one.reason}


NUMBERS = {"difference": "value", "low": "low", "high": "high", "n": "n"}


def _margin(found: Judgment) -> float:
    test = found.claim.test
    largest = test.by or test.margin
    return math.log(largest) if test.estimand in FACTORS else largest


def _named(one: Contrast) -> str:
    names = f"{one.ours.name} - {one.theirs.name}"
    return f"{one.block}: {names}" if one.block else names


def _drawn(low: float, value: float, high: float, margin: float, reach: float) -> str:
    def column(at: float) -> int:
        return round((at / reach + 1) / 2 * (WIDTH - 1))

    line = [" "] * WIDTH
    for at in range(column(low), column(high) + 1):
        line[at] = "-"
    for place, mark in ((margin, ":"), (-margin, ":"), (0.0, "|"), (value, "o")):
        line[column(place)] = mark
    return "".join(line)
