"""A block in a few sentences.

In: a finding. Out: text. Touches: nothing.
"""

from collections import Counter

from bench.report.analysis.arms import STALLED, Arm
from bench.report.analysis.finding import EQUAL, MATTERS, NO_MATTER, Finding
from bench.report.analysis.pairs import DIFFERENT, Pair
from bench.report.wording.answer import PAIRS, except_within, margin, mixed, rate_margin, verdict, verdict_of_block
from bench.report.wording.format import accuracy, accuracy_of, counted, counted_range, listed, points, sentence_case
from bench.schema import DIVERGED


def sentence(finding: Finding) -> str:
    """What did not fit, train or end, has two modes, the leading arms, those that are worse, how the pairs came out."""
    clauses = [_unfit(finding), _untrained(finding), _lost(finding), _modes(finding), _comparison(finding)]
    return " ".join(filter(None, clauses))


def _unfit(finding: Finding) -> str:
    arms: dict[str, list[str]] = {}
    for name, reason in sorted(finding.block.unfit.items()):
        arms.setdefault(reason, []).append(name)
    verbs = {reason: "do not fit" if len(names) > 1 else "does not fit" for reason, names in arms.items()}
    return " ".join(f"{listed(names)} {verbs[reason]}: {reason}." for reason, names in arms.items())


def _untrained(finding: Finding) -> str:
    arms = []
    for one in finding.arms:
        counts = [(count, word) for count, word in ((one.stalled, STALLED), (one.diverged, DIVERGED)) if count]
        if counts:
            how = counts[0][1] if len(counts) == 1 else listed([f"{count} {word}" for count, word in counts])
            arms.append(f"{one.name} {one.ended - one.trained} of {one.ended} ({how})")
    return f"Did not train: {', '.join(arms)}." if arms else ""


def _lost(finding: Finding) -> str:
    arms = [f"{one.name} {count} {status}" for one in finding.arms for status, count in one.lost.items() if count]
    return f"Without an outcome: {', '.join(arms)}." if arms else ""


def _modes(finding: Finding) -> str:
    arms = [one.name for one in finding.arms if one.modes]
    if not arms:
        return ""
    fall, short = ("fall", "intervals are") if len(arms) > 1 else ("falls", "interval is")
    return f"{listed(arms)} {fall} into two groups of accuracies, so that the {short} too short."


def _comparison(finding: Finding) -> str:
    if not any(one.trained for one in finding.arms):
        return "No run trained."
    if not finding.pairs:
        name, reached = next((one.name, one.accuracy) for one in finding.arms if one.accuracy)
        return f"{name} has {accuracy_of(reached, finding.digits)} and nothing to be compared with."
    return " ".join(filter(None, [_leading(finding), *_worse(finding), _others(finding), _small_print(finding)]))


def _leading(finding: Finding) -> str:
    if finding.verdict == MATTERS:
        arms = [
            f"{one.name} {accuracy(one.mean, finding.digits)}" for one in finding.arms if one.name in finding.leading
        ]
        return f"Leading, since no arm is shown to be better{except_within(finding)}: {', '.join(arms)}."
    if finding.verdict == EQUAL:
        return f"{sentence_case(verdict_of_block(finding))}{_widest(finding)}."
    if finding.verdict == NO_MATTER:
        return f"All arms are equivalent or differ within the margin{_widest(finding)}."
    return f"No arm is shown to be better than another{except_within(finding)}{_widest(finding)}."


def _widest(finding: Finding) -> str:
    pairs = [pair for pair in finding.pairs if pair.accuracy.difference is not None]
    if not pairs:
        return ""
    pair = max(pairs, key=lambda pair: abs(pair.accuracy.difference or 0.0))
    pair = pair if pair.accuracy.sign >= 0 else pair.turned()
    most = "the widest difference in accuracy" if len(pairs) > 1 else "the difference in accuracy"
    return f"; {most} is {pair.initializer} over {pair.other} {points(pair.accuracy, finding.digits)}"


def _worse(finding: Finding) -> list[str]:
    """Each arm that is shown to be worse, against the leading arm that it differs from most."""
    found = []
    for one in finding.arms:
        beaten_by = [pair for pair in finding.pairs if one.name in pair.names and pair.better not in (None, one.name)]
        if beaten_by:
            pair = max(
                beaten_by, key=lambda pair: (pair.better in finding.leading, abs(pair.accuracy.difference or 0.0))
            )
            pair = pair if pair.initializer == one.name else pair.turned()
            found.append(f"{one.name} is worse than {pair.other}: {difference(finding, pair)}.")
    return found


def difference(finding: Finding, pair: Pair) -> str:
    """The endpoints in which a pair differs, in points, or both where neither is shown to."""
    ours, theirs = finding.arm(pair.initializer), finding.arm(pair.other)
    rate = f"trains in {_rate(ours)} against {_rate(theirs)}"
    accuracy = f"{points(pair.accuracy, finding.digits)} points of accuracy"
    if pair.rate.verdict == DIFFERENT and pair.accuracy.verdict != DIFFERENT:
        return rate
    return accuracy if pair.rate.verdict != DIFFERENT else f"{rate}, {accuracy}"


def _others(finding: Finding) -> str:
    count = Counter(verdict(pair) for pair in finding.pairs)
    clauses = [f"{word} {count[word]:,}" for word in PAIRS if count[word]]
    neither = [
        f"Of {pair.initializer} and {pair.other}, {mixed(pair)}: {difference(finding, pair)}."
        for pair in finding.pairs
        if pair.verdict == DIFFERENT and pair.better is None
    ]
    return " ".join([f"Of {counted(len(finding.pairs), 'pair')}: {', '.join(clauses)}.", *neither])


def _small_print(finding: Finding) -> str:
    seeds = counted_range(sorted({pair.seeds for pair in finding.pairs}), "seed")
    covers = listed(sorted({pair.covers for pair in finding.pairs}))
    open_rate = any(pair.rate_open for pair in finding.pairs)
    rate = f"; a difference in training rate above {rate_margin(finding.rules)} is not excluded" if open_rate else ""
    return f"(Trained in both arms: {seeds}; margin {margin(finding.rules)}; intervals cover {covers}{rate}.)"


def _rate(one: Arm | None) -> str:
    return f"{one.trained} of {one.ended}" if one else "none"
