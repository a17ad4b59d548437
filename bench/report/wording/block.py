"""A block in a sentence or two, for a person in a hurry, built from its lines and decisions alone.

In: a finding. Out: text. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence

from bench.report.analysis import pairs as decisions
from bench.report.analysis.arms import Line
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, MARGIN_IMAGES, UNDECIDED, Pair


def sentence(finding: Finding) -> str:
    """What the block says: divergence and losses first, then which differences are real, equivalent or undecided."""
    parts = [_diverged(finding), _lost(finding), _near_chance(finding), _split(finding), _comparison(finding)]
    return " ".join(part for part in parts if part)


def _diverged(finding: Finding) -> str:
    arms = [f"{line.initializer} {line.diverged} of {line.runs}" for line in finding.lines if line.diverged]
    real = " (a real difference in rate)" if finding.divergence_differs else ""
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
    arms = [f"{line.initializer} {_percent(finding, line)}" for line in finding.lines if finding.near_chance(line)]
    return f"Near chance ({100 / (finding.classes or 1):.3g} %): {', '.join(arms)}." if arms else ""


def _split(finding: Finding) -> str:
    converged = {line.initializer: line.converged for line in finding.lines}
    arms = [f"{arm} {near} of {converged[arm]}" for arm, near in finding.split.items()]
    return f"Some runs near chance, others not, so that the interval is too short: {', '.join(arms)}." if arms else ""


def _comparison(finding: Finding) -> str:
    best = finding.leader
    if best is None:
        return "No run converged."
    if not finding.pairs:
        return f"Only {best.initializer} has a mean ({_percent(finding, best)}): nothing to compare it with."
    verdicts = {pair.verdict for pair in finding.pairs}
    tested = [pair for pair in finding.pairs if pair.p is not None]
    if not tested:
        return "Undecided: no two arms share two seeds that converged, so no difference has an interval."
    if verdicts == {EQUIVALENT}:
        count = _arms(finding)
        means = "Both means" if count == 2 else f"All {count} means"
        text = f"{means} are equivalent, within {_points(finding, finding.margin)} points."
    elif verdicts == {UNDECIDED}:
        text = _all_undecided(finding, tested)
    else:
        text = _against_the_rest(finding, best)
    return f"{text} {_small_print(finding, tested)}"


def _all_undecided(finding: Finding, tested: Sequence[Pair]) -> str:
    shown = _widest(tested, finding)
    return f"Undecided: {shown}." if len(finding.pairs) == 1 else f"Undecided, all {len(finding.pairs)} pairs; {shown}."


def _against_the_rest(finding: Finding, best: Line) -> str:
    """The leader against each other arm, then how the other pairs came out, counted: 8 arms have 28 pairs."""
    mine = decisions.seen_from(best.initializer, finding.pairs)
    top = max(line.test_accuracy_mean or 0.0 for line in finding.lines)
    note = "" if best.test_accuracy_mean == top else " without divergence"
    ahead = [pair for pair in mine if pair.verdict == DIFFERENT and (pair.difference_points or 0.0) > 0]
    told = [
        _listed("real lead over", ahead, finding),
        _listed("really below", [pair for pair in mine if pair.verdict == DIFFERENT and pair not in ahead], finding),
        _listed("equivalent to", [pair for pair in mine if pair.verdict == EQUIVALENT], finding),
        _listed("undecided against", [pair for pair in mine if pair.verdict == UNDECIDED], finding),
    ]
    clauses = "; ".join(clause for clause in told if clause)
    others = [pair for pair in finding.pairs if best.initializer not in (pair.initializer, pair.other)]
    start = f"Highest mean{note}: {best.initializer} {_percent(finding, best)}. {clauses[0].upper()}{clauses[1:]}."
    return f"{start} {_others(others, mine, finding)}".strip()


def _listed(title: str, pairs: Sequence[Pair], finding: Finding) -> str:
    ordered = sorted(pairs, key=lambda pair: -abs(pair.difference_points or 0.0))
    return f"{title} {', '.join(f'{pair.other} {_signed(finding, pair)}' for pair in ordered)}" if ordered else ""


def _others(pairs: Sequence[Pair], mine: Sequence[Pair], finding: Finding) -> str:
    count = Counter(pair.verdict for pair in pairs)
    told = [f"{count[verdict]} {verdict}" for verdict in (DIFFERENT, EQUIVALENT, UNDECIDED) if count[verdict]]
    if count[DIFFERENT] and not any(pair.verdict == DIFFERENT for pair in mine):  # else the leader's stand for them
        told[0] += f" ({_widest([pair for pair in pairs if pair.verdict == DIFFERENT], finding)})"
    return f"Other pairs: {', '.join(told)}." if told else ""


def _small_print(finding: Finding, tested: Sequence[Pair]) -> str:
    seeds = sorted({pair.seeds for pair in tested})
    n = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]}"
    margin = _points(finding, finding.margin)
    if finding.test_images and finding.test_images < MARGIN_IMAGES:
        stated = finding.margin / decisions.scaled_margin(1.0, finding.test_images)
        margin += f" = {stated:.3g} × √({MARGIN_IMAGES} / {finding.test_images} test images)"
    return f"(In points, {n} seeds; margin {margin}.)"


def _arms(finding: Finding) -> int:
    return sum(line.test_accuracy_mean is not None for line in finding.lines)


def _widest(pairs: Sequence[Pair], finding: Finding) -> str:
    pair = max(pairs, key=lambda pair: abs(pair.difference_points or 0.0))
    pair = pair if (pair.difference_points or 0.0) >= 0 else pair.turned()
    most = "the widest: " if len(pairs) > 1 else ""
    return f"{most}{pair.initializer} over {pair.other} {_signed(finding, pair)}"


def _signed(finding: Finding, pair: Pair) -> str:
    if pair.difference_points is None:
        return "(no shared seed)"
    value = f"{pair.difference_points:+.{decisions.digits(finding.margin)}f}"
    if pair.low_points is None:
        return f"{value} (one shared seed)"
    return f"{value} [{_points(finding, pair.low_points)}, {_points(finding, pair.high_points or 0.0)}]"


def _points(finding: Finding, value: float) -> str:
    return f"{value:.{decisions.digits(finding.margin)}f}"


def _percent(finding: Finding, line: Line) -> str:
    return f"{100 * (line.test_accuracy_mean or 0.0):.{decisions.digits(finding.margin)}f} %"
