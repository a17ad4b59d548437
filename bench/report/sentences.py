"""The sentences for a person in a hurry, built from lines and decisions alone.

In: findings. Out: text. Touches: nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.report import decisions
from bench.report.blocks import Block
from bench.report.decisions import DIFFERENT, EQUIVALENT, MARGIN_IMAGES, UNDECIDED, Pair
from bench.report.tables import Line
from bench.schema import WORDS

NAMED = 6  # blocks or arms named in one list of the answer; the tables have them all


@dataclass(frozen=True)
class Finding:
    """A block with all that was found in it. `margin` and pairs in points; `test_images` and `chance` None if unknown."""

    block: Block
    lines: list[Line]
    pairs: list[Pair]
    margin: float
    test_images: int | None
    chance: float | None

    @property
    def verdict(self) -> str:
        """Whether the initializer matters here."""
        return decisions.matters(self.lines, self.pairs, self.chance)

    @property
    def digits(self) -> int:
        """Decimals of a point that mean something: one image of 360 is 0.28 points, one of 10,000 is 0.01."""
        return 1 if self.margin >= 1 else 2


def sentence(finding: Finding) -> str:
    """What the block says: divergence and losses first, then which differences are real, equivalent or undecided."""
    parts = [_diverged(finding), _lost(finding), _near_chance(finding), _comparison(finding)]
    return " ".join(part for part in parts if part)


def answer(findings: Sequence[Finding]) -> str:
    """Whether the initializer matters in the study: in how many blocks and which, and which arms are safe to take."""
    parts = [_where(findings), _divergence(findings), _best(findings), _safe(findings)]
    return " ".join(part for part in parts if part)


def _diverged(finding: Finding) -> str:
    arms = [f"{line.initializer} {line.diverged} of {line.runs}" for line in finding.lines if line.diverged]
    real = " (a real difference in rate)" if decisions.divergence_differs(finding.lines) else ""
    return f"Diverged: {', '.join(arms)}{real}." if arms else ""


def _lost(finding: Finding) -> str:
    arms = [
        f"{line.initializer} {count} {status}"
        for line in finding.lines
        for status, count in (("failed", line.failed), ("preempted", line.preempted))
        if count
    ]
    return f"In no mean: {', '.join(arms)}." if arms else ""


def _near_chance(finding: Finding) -> str:
    arms = [
        f"{line.initializer} {_percent(finding, line)}"
        for line in finding.lines
        if decisions.near_chance(line, finding.chance)
    ]
    return f"Near chance ({100 * (finding.chance or 0):.3g} %): {', '.join(arms)}." if arms else ""


def _comparison(finding: Finding) -> str:
    best = decisions.leader(finding.lines)
    if best is None:
        return "No run converged."
    if not finding.pairs:
        return f"Only {best.initializer} has a mean ({_percent(finding, best)}): nothing to compare it with."
    verdicts = {pair.verdict for pair in finding.pairs}
    tested = [pair for pair in finding.pairs if pair.p is not None]
    if not tested:
        return "Undecided: no two arms share two seeds that converged, so no difference has an interval."
    if verdicts == {EQUIVALENT}:
        text = f"All {len(_arms(finding.pairs))} means are equivalent: no difference reaches the margin."
    elif verdicts == {UNDECIDED}:
        text = _all_undecided(finding, tested)
    else:
        text = _against_the_rest(finding, best)
    return f"{text} {_small_print(finding, tested)}"


def _all_undecided(finding: Finding, tested: Sequence[Pair]) -> str:
    shown = _widest(tested, finding)
    if len(finding.pairs) == 1:
        return f"Undecided: {shown}."
    return f"Undecided: none of the {len(finding.pairs)} differences is established; the largest is {shown}."


def _against_the_rest(finding: Finding, best: Line) -> str:
    """The leader against each other arm, and how many of the other pairs came out how: complete, and short for 28 pairs."""
    mine = [pair for pair in finding.pairs if best.initializer in (pair.initializer, pair.other)]
    mine = [pair if pair.initializer == best.initializer else _turned(pair) for pair in mine]
    top = max(line.test_accuracy_mean or 0.0 for line in finding.lines)
    note = "" if best.test_accuracy_mean == top else " without divergence"
    parts = [
        f"Highest mean{note}: {best.initializer} {_percent(finding, best)}.",
        _listed("Real: above", [p for p in mine if p.verdict == DIFFERENT and (p.difference_points or 0) > 0], finding),
        _listed("Real: below", [p for p in mine if p.verdict == DIFFERENT and (p.difference_points or 0) < 0], finding),
        _listed("Equivalent:", [p for p in mine if p.verdict == EQUIVALENT], finding),
        _listed("Undecided:", [p for p in mine if p.verdict == UNDECIDED], finding),
        _others(
            [pair for pair in finding.pairs if best.initializer not in (pair.initializer, pair.other)], mine, finding
        ),
    ]
    return " ".join(part for part in parts if part)


def _listed(title: str, pairs: Sequence[Pair], finding: Finding) -> str:
    ordered = sorted(pairs, key=lambda pair: abs(pair.difference_points or 0.0))
    return f"{title} {', '.join(f'{pair.other} {_signed(finding, pair)}' for pair in ordered)}." if ordered else ""


def _others(pairs: Sequence[Pair], mine: Sequence[Pair], finding: Finding) -> str:
    count = Counter(pair.verdict for pair in pairs)
    told = [f"{count[verdict]} {verdict}" for verdict in (DIFFERENT, EQUIVALENT, UNDECIDED) if count[verdict]]
    if count[DIFFERENT] and not any(pair.verdict == DIFFERENT for pair in mine):  # else the leader's stand for them
        told[0] += f" (the widest: {_widest([pair for pair in pairs if pair.verdict == DIFFERENT], finding)})"
    return f"Other pairs: {', '.join(told)}." if told else ""


def _small_print(finding: Finding, tested: Sequence[Pair]) -> str:
    seeds = sorted({pair.seeds for pair in tested})
    n = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]}"
    margin = _points(finding, finding.margin)
    if finding.test_images and finding.test_images < MARGIN_IMAGES:
        stated = finding.margin / decisions.scaled_margin(1.0, finding.test_images)
        margin += f" = {stated:.3g} × √({MARGIN_IMAGES} / {finding.test_images} test images)"
    return f"(In points, {n} seeds; margin {margin}.)"


def _where(findings: Sequence[Finding]) -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for finding, name in zip(findings, _names(findings), strict=True):
        found[finding.verdict].append(name)
    said = {
        decisions.MATTERS: "matters in",  # which ones: said with the best arm of each
        decisions.NO_MATTER: "does not matter in",
        decisions.UNDECIDED: "is undecided in",
        decisions.NO_TRAINING: "cannot be judged, as nothing trains, in",
        decisions.ALONE: "stands alone, with nothing to compare, in",
    }
    told = [
        f"{words} {len(found[verdict])}{_inside(found[verdict]) if verdict != decisions.MATTERS else ''}"
        for verdict, words in said.items()
        if found[verdict]
    ]
    blocks = "1 block" if len(findings) == 1 else f"{len(findings)} blocks"
    return f"Of {blocks}, the initializer {'; '.join(told)}."


def _divergence(findings: Sequence[Finding]) -> str:
    runs: Counter[str] = Counter()
    for finding in findings:
        runs.update({line.initializer: line.diverged for line in finding.lines if line.diverged})
    blocks = sum(any(line.diverged for line in finding.lines) for finding in findings)
    arms = [f"{arm} {count}" for arm, count in sorted(runs.items(), key=lambda item: (-item[1], item[0]))]
    return f"Runs diverged in {blocks}: {_some(arms)}." if arms else ""


def _best(findings: Sequence[Finding]) -> str:
    where: dict[str, list[str]] = defaultdict(list)
    for finding, name in zip(findings, _names(findings), strict=True):
        best = decisions.leader(finding.lines)
        if best and finding.verdict == decisions.MATTERS:
            where[best.initializer].append(name)
    ranked = sorted(where.items(), key=lambda item: (-len(item[1]), item[0]))
    arms = [f"{arm} in {len(names)}{_inside(names)}" for arm, names in ranked]
    return f"Where it matters, the highest mean is of {_some(arms, '; ')}." if arms else ""


def _safe(findings: Sequence[Finding]) -> str:
    judged = [finding for finding in findings if finding.verdict in (decisions.MATTERS, decisions.NO_MATTER)]
    count = Counter(arm for finding in judged for arm in decisions.leading(finding.lines, finding.pairs))
    ranked = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    arms = [f"{arm} in {blocks}" for arm, blocks in ranked]
    return (
        f"Never diverged and not shown to be worse than the best, of the {len(judged)} decided: {_some(arms)}."
        if arms
        else ""
    )


def _names(findings: Sequence[Finding]) -> list[str]:
    choices = [finding.block.choices for finding in findings]
    columns = [column for column in choices[0] if len({repr(choice[column]) for choice in choices}) > 1]
    return ["/".join(_short(column, choice[column]) for column in columns) for choice in choices]


def _short(column: str, value: Any) -> str:
    return str(value) if column in WORDS else f"{column.rpartition('.')[2]}={value}"


def _inside(names: Sequence[str]) -> str:
    return f" ({_some(names, '; ')})" if any(names) else ""


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}{len(names) - NAMED} more" if len(names) > NAMED else ""
    return separator.join(names[:NAMED]) + more


def _arms(pairs: Iterable[Pair]) -> set[str]:
    return {name for pair in pairs for name in (pair.initializer, pair.other)}


def _widest(pairs: Sequence[Pair], finding: Finding) -> str:
    pair = max(pairs, key=lambda pair: abs(pair.difference_points or 0.0))
    pair = pair if (pair.difference_points or 0.0) >= 0 else _turned(pair)
    return f"{pair.initializer} over {pair.other} {_signed(finding, pair)}"


def _turned(pair: Pair) -> Pair:
    """The same pair seen from the other arm."""
    points, low, high = pair.difference_points, pair.low_points, pair.high_points
    return replace(
        pair,
        initializer=pair.other,
        other=pair.initializer,
        difference_points=None if points is None else -points,
        low_points=None if high is None else -high,
        high_points=None if low is None else -low,
    )


def _signed(finding: Finding, pair: Pair) -> str:
    if pair.difference_points is None:
        return "(no shared seed)"
    value = f"{pair.difference_points:+.{finding.digits}f}"
    if pair.low_points is None:
        return f"{value} (one shared seed)"
    return f"{value} [{_points(finding, pair.low_points)}, {_points(finding, pair.high_points or 0.0)}]"


def _points(finding: Finding, value: float) -> str:
    return f"{value:.{finding.digits}f}"


def _percent(finding: Finding, line: Line) -> str:
    return f"{100 * (line.test_accuracy_mean or 0.0):.{finding.digits}f} %"
