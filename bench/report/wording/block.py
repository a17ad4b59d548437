"""A block in a sentence or two.

In: a finding. Out: text. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, MARGIN_IMAGES, UNDECIDED, Pair, scaled_margin, seen_from
from bench.report.wording.format import accuracy, number, points, range_of


def sentence(finding: Finding) -> str:
    """The result of a block: divergence and lost runs first, then real, equivalent and undecided differences."""
    clauses = [_diverged(finding), _lost(finding), _near_chance(finding), _split(finding), _comparison(finding)]
    return " ".join(filter(None, clauses))


def _diverged(finding: Finding) -> str:
    arms = [f"{one.name} {one.diverged} of {one.runs}" for one in finding.arms if one.diverged]
    real = " (a real difference in rate)" if finding.divergence_differs else ""
    return f"Diverged: {', '.join(arms)}{real}." if arms else ""


def _lost(finding: Finding) -> str:
    arms = [f"{one.name} {count} {status}" for one in finding.arms for status, count in one.lost.items() if count]
    return f"In no mean: {', '.join(arms)}." if arms else ""


def _near_chance(finding: Finding) -> str:
    arms = [f"{one.name} {_mean(finding, one)}" for one in finding.arms if finding.near_chance(one)]
    return f"Near chance ({100 / (finding.classes or 1):.3g} %): {', '.join(arms)}." if arms else ""


def _split(finding: Finding) -> str:
    arms = [
        f"{one.name} {finding.split[one.name]} of {one.converged}" for one in finding.arms if one.name in finding.split
    ]
    return f"Some runs near chance, others not, so that the interval is too short: {', '.join(arms)}." if arms else ""


def _comparison(finding: Finding) -> str:
    best = finding.leader
    if best is None:
        return "No run converged."
    if not finding.pairs:
        return f"Only {best.name} has a mean ({_mean(finding, best)}): nothing to compare it with."
    verdicts = {pair.verdict for pair in finding.pairs}
    tested = [pair for pair in finding.pairs if pair.p is not None]
    if not tested:
        return "Undecided: no two arms share two seeds that converged, so no difference has an interval."
    if verdicts == {EQUIVALENT}:
        count = sum(one.mean is not None for one in finding.arms)
        means = "Both means" if count == 2 else f"All {count} means"
        text = f"{means} are equivalent, within {number(finding.margin, finding.digits)} points."
    elif verdicts == {UNDECIDED}:
        text = _all_undecided(finding, tested)
    else:
        text = _against_the_rest(finding, best)
    return f"{text} {_small_print(finding, tested)}"


def _all_undecided(finding: Finding, tested: Sequence[Pair]) -> str:
    shown = _widest(tested, finding)
    return f"Undecided: {shown}." if len(finding.pairs) == 1 else f"Undecided, all {len(finding.pairs)} pairs; {shown}."


def _against_the_rest(finding: Finding, best: Arm) -> str:
    """The leader against each other arm, then how the other pairs came out, counted: 8 arms have 28 pairs."""
    mine = seen_from(best.name, finding.pairs)
    top = max(one.mean or 0.0 for one in finding.arms)
    note = "" if best.mean == top else " without divergence"
    by_verdict = {
        "real lead over": [pair for pair in mine if pair.verdict == DIFFERENT and pair.difference > 0],
        "really below": [pair for pair in mine if pair.verdict == DIFFERENT and not pair.difference > 0],
        "equivalent to": [pair for pair in mine if pair.verdict == EQUIVALENT],
        "undecided against": [pair for pair in mine if pair.verdict == UNDECIDED],
    }
    clauses = "; ".join(_others(title, pairs, finding) for title, pairs in by_verdict.items() if pairs)
    rest = [pair for pair in finding.pairs if best.name not in (pair.initializer, pair.other)]
    start = f"Highest mean{note}: {best.name} {_mean(finding, best)}. {clauses[0].upper()}{clauses[1:]}."
    return f"{start} {_rest(rest, mine, finding)}".strip()


def _others(title: str, pairs: Sequence[Pair], finding: Finding) -> str:
    ordered = sorted(pairs, key=lambda pair: -abs(pair.difference))
    return f"{title} {', '.join(f'{pair.other} {_difference(finding, pair)}' for pair in ordered)}"


def _rest(pairs: Sequence[Pair], mine: Sequence[Pair], finding: Finding) -> str:
    count = Counter(pair.verdict for pair in pairs)
    clauses = [f"{count[verdict]} {verdict}" for verdict in (DIFFERENT, EQUIVALENT, UNDECIDED) if count[verdict]]
    if count[DIFFERENT] and not any(pair.verdict == DIFFERENT for pair in mine):  # else the leader's stand for them
        clauses[0] += f" ({_widest([pair for pair in pairs if pair.verdict == DIFFERENT], finding)})"
    return f"Other pairs: {', '.join(clauses)}." if clauses else ""


def _small_print(finding: Finding, tested: Sequence[Pair]) -> str:
    seeds = range_of([str(count) for count in sorted({pair.seeds for pair in tested})])
    margin = number(finding.margin, finding.digits)
    if finding.test_images and finding.test_images < MARGIN_IMAGES:
        stated = finding.margin / scaled_margin(1.0, finding.test_images)
        margin += f" = {stated:.3g} × √({MARGIN_IMAGES} / {finding.test_images} test images)"
    return f"(In points, n = {seeds} seeds; margin {margin}.)"


def _widest(pairs: Sequence[Pair], finding: Finding) -> str:
    pair = max(pairs, key=lambda pair: abs(pair.difference))
    pair = pair if pair.difference >= 0 else pair.turned()
    most = "the widest: " if len(pairs) > 1 else ""
    return f"{most}{pair.initializer} over {pair.other} {_difference(finding, pair)}"


def _difference(finding: Finding, pair: Pair) -> str:
    if pair.difference_points is None:
        return "(no shared seed)"
    return points(pair, finding.digits) + (" (one shared seed)" if pair.low_points is None else "")


def _mean(finding: Finding, one: Arm) -> str:
    return accuracy(one.mean or 0.0, finding.digits)
