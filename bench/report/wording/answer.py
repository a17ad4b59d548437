"""A study in a few sentences: its question, whether the initializer matters and where, what to take.

In: a Summary. Out: text. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence

from bench.report.analysis.finding import ALONE, EQUAL, MATTERS, NO_MATTER, Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, NEITHER, UNDECIDED, WITHIN, Pair
from bench.report.analysis.question import Question
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary
from bench.report.wording.factor import Group, explained, groups
from bench.report.wording.format import PERCENT, counted, inside, listed, number, range_of, sentence_case, some
from bench.schema import DIVERGED

VERDICTS = {
    MATTERS: "the initializer matters",
    NO_MATTER: "it does not matter",
    EQUAL: "all are equal in accuracy",
    UNDECIDED: "it is undecided",
    NEITHER: "no run trains",
    ALONE: "one arm has nothing to be compared with",
}
JUDGED = (MATTERS, NO_MATTER, EQUAL, UNDECIDED)  # in which something trains, and there is something to choose
NOT_BOTH = "No block has ended runs of both"
NOT_DUE = "no verdict is due at this number of seeds"
SHORT = 4  # blocks or arms named in a sentence of the abstract


def answer(summary: Summary) -> str:
    """Where the initializer matters, which arms lead there, what did not train, and what to take."""
    return " ".join(filter(None, [matters(summary), leading(summary), training(summary), advice(summary)]))


def question(summary: Summary) -> str:
    """The answer to the study's question, explained by a choice where one tells it; empty where it asks none."""
    if not summary.rules.question:
        return ""
    ours, theirs = summary.rules.question
    if summary.question is None:
        return f"{ours} or {theirs}? {NOT_BOTH}."
    reply = _reply(summary, summary.question)
    return f"{ours} or {theirs}? {reply if reply.startswith((ours, theirs)) else sentence_case(reply)}."


def abstract(summary: Summary) -> list[str]:
    """At most five sentences: setup, question, where the initializer matters, what did not train, what to take."""
    reply = ""
    if summary.rules.question and summary.question is None:
        reply = question(summary)
    if comparison := summary.question:
        reply = f"{comparison.arms[0]} against {comparison.arms[1]}: {_reply(summary, comparison)}."
    return [one for one in (_setup(summary), reply, matters(summary), training(summary), advice(summary)) if one]


def matters(summary: Summary) -> str:
    """In which blocks the initializer matters."""
    if not summary.alpha:
        return f"{sentence_case(NOT_DUE)}."
    labels = {finding.name: verdict_of_block(finding) for finding in summary.findings}
    equal = [pair for finding in summary.findings if finding.verdict == EQUAL for pair in finding.pairs]
    clauses = [explained(_groups(summary), labels), *_riders(equal, summary.rules)]
    return f"{sentence_case('; '.join(clauses))}."


def leading(summary: Summary) -> str:
    """The leading set of each block where the initializer matters."""
    found = [one for one in summary.findings if one.verdict == MATTERS]
    sets = [f"{listed(one.leading) or 'none'}{inside([one.name])}" for one in found]
    if not sets:
        return ""
    return f"Where it matters, the leading arms, than which none is shown to be better, are {some(sets, '; ', SHORT)}."


def training(summary: Summary) -> str:
    """How many runs did not train, of which arms, and which arms never train in a block."""
    lost = Counter[str]()
    runs = Counter[str]()
    for finding in summary.findings:
        for one in finding.arms:
            runs[one.name] += one.ended
            lost[one.name] += one.ended - one.trained
    total, ended = lost.total(), runs.total()
    if not total:
        return f"All {counted(ended, 'run')} trained." if ended else ""
    ranked = sorted((name for name in lost if lost[name]), key=lambda name: (-lost[name], name))
    arms = [f"{name} {lost[name]} of {runs[name]}" for name in ranked]
    diverged = summary.counts[DIVERGED]
    of_them = f", {diverged} of them diverged" if diverged else ""
    return f"{total} of {counted(ended, 'run')} did not train{of_them}: {some(arms)}."


def advice(summary: Summary) -> str:
    """Which arms to take: those that lead in all blocks of a group, or those that lead in most."""
    if not summary.alpha:
        return ""
    found = [_advised(group, summary.arms) for group in _groups(summary)]
    clauses = [clause for clause in found if clause]
    return f"What to take: {'; '.join(clauses)}." if clauses else ""


def conclusion(summary: Summary) -> str:
    """The advice, what is open, and the seeds that would close it."""
    undecided = [one for one in summary.power if one.finding.verdict in (UNDECIDED, EQUAL)]
    needed = sorted(one.all_pairs.equivalence for one in undecided if one.all_pairs.equivalence is not None)
    parts = [question(summary) or matters(summary), advice(summary)]
    if needed:
        seeds = range_of([f"{needed[0]:,}", f"{needed[-1]:,}"])
        parts.append(
            f"Open is {counted(len(undecided), 'block')}: to show that all arms are equal in accuracy, if they are, "
            f"takes {seeds} seeds at the spread seen, and {undecided[0].all_pairs.rate} seeds without a failure to "
            f"exclude a difference in training rate of {rate_margin(summary.rules)}."
        )
    return " ".join(filter(None, parts))


def margin(rules: Rules) -> str:
    """The margin of accuracy as declared: `1 point`, or `25 % of the better arm's error`."""
    if rules.margin.points is not None:
        return f"{rules.margin.points:g} point{'' if rules.margin.points == 1 else 's'}"
    return f"{PERCENT * (rules.margin.share or 0.0):g} % of the better arm's error"


def rate_margin(rules: Rules) -> str:
    """The margin of the training rate in percent."""
    return f"{PERCENT * rules.rate_margin:g} %"


def threshold(summary: Summary) -> str:
    """The validation accuracy above which a run has trained, of each number of classes."""
    return range_of([f"{number(one, 0, PERCENT)} %" for one in sorted({f.threshold for f in summary.findings})])


def verdict_of_block(finding: Finding) -> str:
    """Whether the initializer matters in a block; where differences are real but small, that they are."""
    small = any(pair.accuracy.verdict == WITHIN for pair in finding.pairs)
    return "all are within the margin in accuracy" if finding.verdict == EQUAL and small else VERDICTS[finding.verdict]


def verdict(pair: Pair) -> str:
    """The verdict on a pair in short: its word, or that the accuracies are equal while the rate is open."""
    return "equal in accuracy" if pair.rate_open and pair.verdict == UNDECIDED else pair.verdict


def verdict_in_full(pair: Pair, rules: Rules) -> str:
    """The same, with what is not excluded."""
    return f"{verdict(pair)}; {_rate_rider(rules)}" if pair.rate_open else pair.verdict


def _reply(summary: Summary, comparison: Question) -> str:
    if not summary.alpha:
        return NOT_DUE
    pairs = [pair for _, pair in comparison.pairs]
    labels = {finding.name: _label(pair) for finding, pair in comparison.pairs}
    clauses = [explained(_groups(summary), labels)]
    if missing := len(summary.findings) - len(pairs):
        clauses.append(f"one of them has no ended run in {missing}")
    return "; ".join([*clauses, *_riders(pairs, summary.rules)])


def _groups(summary: Summary) -> list[Group]:
    """The blocks by the choice that tells best where the initializer matters, or else how the question comes out."""
    found = summary.findings
    by_verdict = groups(found, [verdict_of_block(finding) for finding in found])
    if len(by_verdict) > 1 or summary.question is None:
        return by_verdict
    labels = {finding.name: _label(pair) for finding, pair in summary.question.pairs}
    return groups(found, [labels.get(finding.name, "") for finding in found])


def _label(pair: Pair) -> str:
    if pair.verdict == DIFFERENT:
        return f"{pair.better} is better" if pair.better else "one trains more often, the other is more accurate"
    return verdict(pair)


def _riders(pairs: Sequence[Pair], rules: Rules) -> list[str]:
    found = []
    if any(pair.verdict in (EQUIVALENT, WITHIN) or pair.rate_open for pair in pairs):
        found.append(f"the margin is {margin(rules)}")
    if any(pair.rate_open for pair in pairs):
        found.append(_rate_rider(rules))
    return found


def _rate_rider(rules: Rules) -> str:
    return f"a difference in training rate above {rate_margin(rules)} is not excluded"


def _setup(summary: Summary) -> str:
    arms, blocks = counted(len(summary.arms), "weight initializer"), counted(len(summary.findings), "block")
    data = listed(sorted({str(row.choices.get("dataset")) for row in summary.rows}))
    seeds = range_of([*map(str, summary.sizes[:-1]), counted(summary.sizes[-1], "seed")])
    return (
        f"We trained {counted(len(summary.rows), 'network')} on {data}, {arms} in {blocks} with {seeds} each; a "
        f"difference matters from {margin(summary.rules)} of accuracy or {rate_margin(summary.rules)} of training "
        f"rate, and a run has trained above {threshold(summary)} of validation accuracy."
    )


def _advised(group: Group, arms: Sequence[str]) -> str:
    judged = [finding for finding in group.findings if finding.verdict in JUDGED]
    count = Counter(name for finding in judged for name in finding.leading)
    most = max(count.values(), default=0)
    best = [name for name in arms if count[name] == most]
    if not most:
        return ""
    if most < len(judged):
        lead = "lead" if len(best) > 1 else "leads"
        text = f"no arm leads in all {len(judged)} blocks, {listed(best)} {lead} in {most}"
    elif len(best) == len(arms):
        text = f"any of the {len(arms)}, for none is shown to be worse than another"
    else:
        text = f"{listed(best, 'or')}, shown to be worse than no other arm"
    return f"{group.words} {text}" if group.words else text
