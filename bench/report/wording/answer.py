"""A study in a few sentences: its question, whether the initializer matters and where, what to take.

In: a Summary. Out: text. Touches: nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.report.analysis.answers import MARGIN, Answer
from bench.report.analysis.arms import STALLED, TRAINED, outcome
from bench.report.analysis.finding import ALONE, EQUAL, MATTERS, NO_MATTER, Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, NEITHER, UNDECIDED, WITHIN, Pair
from bench.report.analysis.question import Question, arms_of
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary
from bench.report.wording.factor import Group, every, explained, groups, phrase
from bench.report.wording.format import (
    PERCENT,
    counted,
    counted_range,
    few,
    inside,
    listed,
    number,
    points,
    range_of,
    sentence_case,
    some,
)
from bench.schema import DIVERGED

VERDICTS = {
    MATTERS: "the initializer matters",
    NO_MATTER: "the initializer does not matter",
    UNDECIDED: "the effect of the initializer is undecided",
    NEITHER: "no run trains",
    ALONE: "one arm has nothing to be compared with",
}
EQUAL_PAIR = "equal in accuracy"
PAIRS = (DIFFERENT, WITHIN, EQUIVALENT, EQUAL_PAIR, UNDECIDED, NEITHER)  # the verdicts on pairs, as they are counted
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
    if summary.question is None:
        return f"{listed(summary.rules.question, 'or')}? {_unanswered(summary)}."
    ours, theirs = summary.question.arms
    return f"{ours} or {theirs}? {_begun(_reply(summary, summary.question), (ours, theirs))}."


def together(found: Sequence[Answer]) -> list[str]:
    """A sentence for each question of the answers of several studies, by the choice that tells it best.

    `a or b? With batch norm within the margin of accuracy in 3 of 4 blocks, undecided in 1, the widest difference a
    +0.4 [0.1, 0.7] points; without normalization ...`
    """
    clauses: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in found:
        where = f"{phrase(one.choice, one.value)} " if one.choice else ""
        clauses[one.arms].append(f"{where}{_told(one)}")
    return [f"{listed(arms, 'or')}? {_begun('; '.join(texts), arms)}." for arms, texts in clauses.items()]


def _begun(reply: str, arms: Sequence[str]) -> str:
    """The reply with a capital letter, unless it begins with the name of an arm."""
    return reply if reply.startswith(tuple(arms)) else sentence_case(reply)


def _told(one: Answer) -> str:
    """In how many blocks what is shown, and the widest difference."""
    said = {**{name: f"{name} is better" for name in one.arms}, MARGIN: "within the margin of accuracy"}
    total, (first, *others) = len(one.pairs), one.counts.most_common()
    whole = every(total, total) if not others else f" in {first[1]} of {counted(total, 'block')}"
    found = [f"{said.get(first[0], first[0])}{whole}"]
    found += [f"{said.get(words, words)} in {count}" for words, count in others]
    return ", ".join([*found, *([f"the widest difference {widest(one)} points"] if one.widest else [])])


def widest(one: Answer) -> str:
    """The widest difference with its interval, after the arm that it is for: `a +0.4 [0.1, 0.7]`."""
    if one.widest is None:
        return ""
    finding, pair = one.widest
    return f"{pair.initializer} {points(pair.accuracy, finding.digits)}"


def _unanswered(summary: Summary) -> str:
    """Why the question has no answer: one of its arms is none here, or is several, or no block has both."""
    for arm in summary.rules.question:
        found = arms_of(summary.findings, arm)
        if len(found) > 1:
            return f"{arm} means {len(found)} arms: {few(found)}; study.question takes one of them"
        if not found:
            return f"No arm is {arm}; there {'is' if len(summary.arms) == 1 else 'are'} {few(summary.arms)}"
    return NOT_BOTH


def abstract(summary: Summary) -> list[str]:
    """At most five sentences: setup, question, where the initializer matters, what did not train, what to take."""
    reply = ""
    if summary.rules.question and summary.question is None:
        reply = question(summary)
    if comparison := summary.question:
        reply = f"{comparison.arms[0]} against {comparison.arms[1]}: {_reply(summary, comparison)}."
    return [one for one in (setup(summary), reply, matters(summary), training(summary), advice(summary)) if one]


def matters(summary: Summary) -> str:
    """In which blocks the initializer matters."""
    if not summary.alpha:
        return f"{sentence_case(NOT_DUE)}."
    labels = {finding.name: verdict_of_block(finding) for finding in summary.findings}
    close = [one for one in summary.findings if one.verdict in (EQUAL, NO_MATTER)]
    clauses = [
        explained(_groups(summary), labels),
        *_riders([pair for finding in close for pair in finding.pairs], summary.rules),
        *_apart_from_question(summary),
    ]
    return f"{sentence_case('; '.join(clauses))}."


def leading(summary: Summary) -> str:
    """The leading set of each block where the initializer matters."""
    found = [one for one in summary.findings if one.verdict == MATTERS]
    sets = [f"{few(summary.advised(one).leading) or 'none'}{inside([one.name])}" for one in found]
    if not sets:
        return ""
    return f"Where it matters, the leading set, than which no arm is shown to be better, is {some(sets, '; ', SHORT)}."


def training(summary: Summary) -> str:
    """How many runs did not train, and of which arms."""
    outcomes = {  # by id: a run may stand in two blocks, at the value that is shared and tuned
        row.id: (one.name, outcome(row, summary.rules))
        for finding in summary.findings
        for one in finding.arms
        for row in one.rows
    }
    runs = Counter(name for name, word in outcomes.values() if word in (TRAINED, STALLED, DIVERGED))
    lost = Counter(name for name, word in outcomes.values() if word in (STALLED, DIVERGED))
    total, ended = lost.total(), runs.total()
    if not total:
        return {0: "", 1: "The one run trained."}.get(ended, f"All {counted(ended, 'run')} trained.")
    ranked = sorted((name for name in lost if lost[name]), key=lambda name: (-lost[name], name))
    arms = [f"{name} {lost[name]} of {runs[name]}" for name in ranked]
    diverged = sum(word == DIVERGED for _, word in outcomes.values())
    of_them = f", {diverged:,} of them diverged" if diverged else ""
    return f"{total:,} of {counted(ended, 'run')} did not train{of_them}: {some(arms)}."


def advice(summary: Summary) -> str:
    """Which arms to take: those that lead in all blocks of a group, or those that lead in most."""
    if not summary.alpha:
        return ""
    found = _groups(summary)
    texts = [_advised(group.findings, summary) for group in found]
    if len(set(texts)) == 1:
        clauses = [_advised(summary.findings, summary)]
    else:
        clauses = [f"{group.words} {text}" for group, text in zip(found, texts, strict=True) if text]
    return f"What to take: {'; '.join(clauses)}." if any(clauses) else ""


def conclusion(summary: Summary) -> str:
    """The advice, what is open, and the seeds that would close it."""
    return " ".join(filter(None, [question(summary) or matters(summary), advice(summary), _seeds_that_close(summary)]))


def _seeds_that_close(summary: Summary) -> str:
    """The seeds that close what is open: accuracies where a block is undecided, training rates there and elsewhere."""
    found = [one for one in summary.power if one.finding.verdict in (UNDECIDED, EQUAL) and one.finding.pairs]
    if not found or not summary.alpha:
        return ""
    seeds = [one.all_pairs.equivalence for one in found if one.finding.verdict == UNDECIDED]
    needed = sorted(one for one in seeds if one is not None)
    clauses = [f"to exclude a difference in training rate of {rate_margin(summary.rules)} takes "]
    clauses[0] += f"{found[0].all_pairs.rate:,} seeds without a failure"
    if needed:
        where = f" in {len(needed)} of them" if len(needed) < len(found) else ""
        clauses.insert(
            0,
            f"to show that all arms are equal in accuracy, if they are, takes "
            f"{range_of([f'{needed[0]:,}', f'{needed[-1]:,}'])} seeds at the spread seen{where}",
        )
    verb = "is" if len(found) == 1 else "are"
    return f"Open {verb} {counted(len(found), 'block')}: {listed(clauses)}."


def margin(rules: Rules) -> str:
    """The margin of accuracy as declared: `1 point`, or `25 % of the better arm's error`."""
    if rules.margin.points is not None:
        return f"{rules.margin.points:g} point{'' if rules.margin.points == 1 else 's'}"
    return f"{PERCENT * (rules.margin.share or 0.0):g} % of the better arm's error"


def rate_margin(rules: Rules) -> str:
    """The margin of the training rate: `10 points`."""
    return f"{PERCENT * rules.rate_margin:g} point{'' if PERCENT * rules.rate_margin == 1 else 's'}"


def threshold(summary: Summary) -> str:
    """The validation accuracy above which a run has trained, of each number of classes."""
    return range_of([f"{number(one, 0, PERCENT)} %" for one in sorted({f.threshold for f in summary.findings})])


def verdict_of_block(finding: Finding) -> str:
    """Whether the initializer matters in a block, as a clause."""
    return f"all are {word_of_block(finding)}" if finding.verdict == EQUAL else VERDICTS[finding.verdict]


def word_of_block(finding: Finding) -> str:
    """The verdict on a block in short; where accuracies are said to be equal but differ a little, that they do."""
    return "within the margin in accuracy" if finding.verdict == EQUAL and except_within(finding) else finding.verdict


def except_within(*findings: Finding) -> str:
    """How a sentence goes on that no arm is shown to be worse, where one is, by a difference within the margin."""
    pairs = [pair for finding in findings for pair in finding.pairs]
    small = any(WITHIN in (pair.accuracy.verdict, pair.rate.verdict) for pair in pairs)
    return " except within the margin" if small else ""


def verdict(pair: Pair) -> str:
    """The verdict on a pair in short: its word, or that the accuracies are equal while the rate is open."""
    return EQUAL_PAIR if pair.rate_open and pair.verdict == UNDECIDED else pair.verdict


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
        clauses.append(f"one of them has no ended run in {counted(missing, 'block')}")
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
    if pair.verdict == WITHIN:
        return "they differ within the margin"  # without the comma of the verdict, which parts clauses here
    if pair.verdict != DIFFERENT:
        return verdict(pair)
    if pair.better and pair.accuracy.verdict != DIFFERENT:
        return f"{pair.better} trains more often"
    return f"{pair.better} is better" if pair.better else mixed(pair)


def mixed(pair: Pair) -> str:
    """What is shown of a pair that differs and of which neither is better."""
    trains, accurate = (one.sign if one.verdict == DIFFERENT else 0 for one in (pair.rate, pair.accuracy))
    if trains * accurate < 0:
        return "one trains more often, the other is more accurate"
    name = pair.initializer if trains + accurate > 0 else pair.other
    return f"{name} {'trains more often' if trains else 'is more accurate'}, but has no higher mean over all runs"


def _riders(pairs: Sequence[Pair], rules: Rules) -> list[str]:
    found = []
    if any(pair.verdict == EQUIVALENT for pair in pairs):
        found.append(f"the margins are {margin(rules)} of accuracy and {rate_margin(rules)} of training rate")
    elif any(pair.verdict == WITHIN or pair.rate_open for pair in pairs):
        found.append(f"the margin is {margin(rules)}")
    if any(pair.rate_open for pair in pairs):
        found.append(_rate_rider(rules))
    return found


def _apart_from_question(summary: Summary) -> list[str]:
    """Why the question may have an answer in a block of which its pairs together show nothing."""
    found = summary.question.pairs if summary.question else ()
    if any(pair.verdict == DIFFERENT and finding.verdict != MATTERS for finding, pair in found):
        return ["the question, a family of its own, finds a difference that all pairs together do not show"]
    return []


def _rate_rider(rules: Rules) -> str:
    return f"a difference in training rate above {rate_margin(rules)} is not excluded"


def setup(summary: Summary) -> str:
    """How many networks, initializers, blocks and seeds, and what matters."""
    arms, blocks = counted(len(summary.arms), "weight initializer"), counted(len(summary.findings), "block")
    data = listed(sorted({str(row.choices.get("dataset")) for row in summary.rows}))
    runs = len({id for finding in summary.findings for one in finding.arms for id in one.ids})
    seeds = counted_range(summary.sizes, "seed")
    return (
        f"We trained {counted(runs, 'network')} on {data}, {arms} in {blocks} with {seeds} each; a "
        f"difference matters from {margin(summary.rules)} of accuracy or {rate_margin(summary.rules)} of training "
        f"rate, and a run has trained above {threshold(summary)} of validation accuracy."
    )


def _advised(findings: Sequence[Finding], summary: Summary) -> str:
    judged = [finding for finding in findings if finding.verdict in JUDGED and finding.pairs]
    leading = [summary.advised(one).leading for one in judged]
    count = Counter(name for names in leading for name in names)
    most = max(count.values(), default=0)
    best = [name for name in summary.arms if count[name] == most]
    if not most:
        return ""
    but, lost = except_within(*judged), _failing(judged, best)
    decided = any(one.verdict != UNDECIDED or any(pair.better for pair in summary.advised(one).pairs) for one in judged)
    if not decided:
        return f"open, for no arm is shown to be worse than another{but}"
    if most < len(judged):
        lead = "lead" if len(best) > 1 else "leads"
        return f"no arm leads{every(len(judged), len(judged))}, {few(best)}{lost} {lead} in {most}"
    if len(best) == len(summary.arms):
        return f"any of the {len(best)}{lost}, for none is shown to be worse than another{but}"
    return f"{few(best, 'or')}{lost}, shown to be worse than no other arm{but}"


def _failing(findings: Sequence[Finding], names: Sequence[str]) -> str:
    """How many runs of these arms did not train, in brackets; nothing where all did."""
    arms = [[one for finding in findings if (one := finding.arm(name))] for name in names]
    counts = [(sum(one.ended - one.trained for one in runs), sum(one.ended for one in runs)) for runs in arms]
    lost = [f"{name} {count} of {ended}" for name, (count, ended) in zip(names, counts, strict=True) if count]
    return f" (did not train: {some(lost, most=SHORT)})" if lost else ""
