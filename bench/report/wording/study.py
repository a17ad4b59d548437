"""Sentences about a study, written from its findings, its measures and its environment.

In: a Summary. Out: sentences. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.report.analysis.arms import IMAGES, SEEDS, SPLITS
from bench.report.analysis.control import AGAIN, Control
from bench.report.analysis.finding import Finding
from bench.report.analysis.interim import InterimLook
from bench.report.analysis.judge import FUTILE, Decided
from bench.report.analysis.lines import OtherLine
from bench.report.analysis.overall import Ranks
from bench.report.analysis.pairs import DIFFERENT, NEITHER, UNDECIDED
from bench.report.analysis.power import POWER
from bench.report.analysis.rules import ALPHA
from bench.report.analysis.screening import Screening
from bench.report.analysis.summary import Summary
from bench.report.statistics import sequential
from bench.report.wording.answer import PAIRS, margin, rate_margin, threshold, verdict
from bench.report.wording.format import MEBIBYTE, PERCENT, counted, counted_range, few, listed, number, range_of
from bench.report.wording.tuning import chosen
from bench.rows.unfit import sentences
from bench.schema import FAILED, PREEMPTED

RATE = "optimizer.learning_rate"


@dataclass(frozen=True)
class Price:
    """What an answer takes: the comparisons asked for, of runs that are not the same, those decided, runs, minutes.

    The runs are those of the question's arms, those that tune too.
    """

    asked: int
    decided: int
    runs: int
    minutes: float


def notes(summary: Summary) -> list[str]:
    """The sentences that no report may leave out: look, control, unfit arms, the notes of the summary."""
    found = [screened(summary, summary.screening)] if summary.screening else []
    found += [chosen(summary.tuning)] if summary.tuning else []
    found += [until(summary, summary.decided)] if summary.decided else _look(summary)
    found += [control(summary.control)] if summary.control else []
    found += [lines(summary.other_lines)] if summary.other_lines else []
    return [*found, *(f"{one}." for one in sentences(summary.unfit)), *summary.notes]


def screened(summary: Summary, found: Screening) -> str:
    """How many arms were dropped before the others were trained in full, and by what."""
    rungs = ", ".join(map(str, summary.rules.screen.rungs)) if summary.rules.screen else ""
    dropped = Counter(one.name for one in found.arms)
    arms = [f"{name} ({counted(count, 'block')})" for name, count in sorted(dropped.items())]
    sentence = (
        f"Screened by successive halving ({counted(found.runs, 'run')}): after {rungs} seeds that no verdict uses, the "
        f"better half of the arms of a block by validation accuracy goes on. Dropped: {few(arms) or 'none'}."
    )
    return sentence if found.complete else f"{sentence} Some block is not through its rungs yet."


def until(summary: Summary, decided: Decided) -> str:
    """How many seeds arms took until they were decided, and how many runs that saves."""
    looks, taken = summary.rules.looks, [count for seeds in decided.seeds for count in seeds.values()]
    counts = Counter(taken)
    took = listed([f"{seeds} in {counts[seeds]}" for seeds in sorted(counts)])
    levels = ", ".join(f"{PERCENT * level:.2g}" for level in sequential.levels(looks, ALPHA))
    start = (
        f"Seeds until decided, with looks at {', '.join(map(str, looks))}, at which each family of verdicts is tested "
        f"at {levels} %, together {PERCENT * ALPHA:g} % (Lan & DeMets, of Pocock's kind). Of {len(taken)} arms in "
        f"blocks, seeds are {took}"
    )
    if going := sum(map(len, decided.open)):
        return f"{start}; {going} may take more."
    whose = "its pair in the block is" if summary.question else "its pairs in the block are"
    others = (
        f" Only {listed(summary.question.arms)} go on past the first look, for the question: pairs of other arms have "
        f"{looks[0]} seeds."
        if summary.question
        else ""
    )
    share = f"{PERCENT * sum(taken) / (looks[-1] * len(taken)):.0f} % of {looks[-1]} for each"
    return (
        f"{start}, {share}. An arm takes no more seeds once {whose} decided, or has less than "
        f"{PERCENT * FUTILE:g} % chance to be at the last look.{others} A difference that is large by chance is found "
        "early, so that those of early looks are likely too large."
    )


def _look(summary: Summary) -> list[str]:
    return [look(summary.interim_look)] if summary.interim_look else []


def look(found: InterimLook) -> str:
    """At which planned look the study is, and the level of its verdicts."""
    planned, seeds, last = found.planned, found.seeds, found.planned[-1]
    present = counted_range(sorted({seeds, found.most}), "seed")
    if found.number is None:
        due = next(one for one in planned if one > seeds)
        plan = ", ".join(map(str, planned))
        return f"Arms have {present}, which is no planned look ({plan}): no verdict is due before all have {due}."
    sentence = (
        f"Look {found.number} of {len(planned)}, at {planned[found.number - 1]} of {last} seeds: each family of "
        f"verdicts is tested at {PERCENT * found.alpha:.2g} %, its share of the {PERCENT * ALPHA:g} % that all looks "
        "spend together (Lan & DeMets, of Pocock's kind)."
    )
    if found.number < len(planned):
        sentence += f" The next look is at {planned[found.number]} seeds."
    if found.most <= last:
        return sentence
    return f"{sentence} Arms have {present}, more than planned: if {last} were looked at, this is one look too many."


def control(found: Control) -> str:
    """How often arms that cannot differ were called different."""
    start = (
        f"Control: {AGAIN} draws {' and '.join(found.of)} anew from a stream of its own ({found.runs} runs, "
        f"{found.trained} trained)"
    )
    if not found.pairs:
        return f"{start}; no block has just one arm of that name, so it tells nothing."
    count = Counter(verdict(pair) for _, pair in found.pairs)
    verdicts = ", ".join(f"{word} {count[word]}" for word in PAIRS if count[word] or word == DIFFERENT)
    level = f"{PERCENT * found.alpha:.2g} %"
    chance = f"; at this level chance alone calls at most {level} of such pairs different" if found.alpha else ""
    return f"{start}. Of {counted(len(found.pairs), 'pair')} that cannot differ: {verdicts}{chance}."


def lines(found: Sequence[OtherLine]) -> str:
    """Whether a verdict changes where the line between trained and stalled is drawn elsewhere."""
    tried = listed([f"{PERCENT * one.line:g} % ({_outcomes(one.runs)})" for one in found], "or")
    start = f"With the line between trained and stalled at {tried} of the way from chance to no error"
    changes = [f"at {PERCENT * one.line:g} % {_moved(one)}" for one in found if one.changes]
    return f"{start}, these verdicts change: {'; '.join(changes)}." if changes else f"{start}, no verdict changes."


def _moved(one: OtherLine) -> str:
    return listed(
        [
            *([f"{one.pairs} of {counted(one.all_pairs, 'pair')}"] if one.pairs else []),
            *([f"the block{'s' * (len(one.blocks) > 1)} {few(one.blocks)}"] if one.blocks else []),
            *([f"the question in {few(one.question)}"] if one.question else []),
        ]
    )


def _outcomes(runs: int) -> str:
    return f"{runs or 'no'} run{'s have' if runs > 1 else ' has'} another outcome"


def ranks(summary: Summary, found: Ranks) -> str:
    """Whether the mean ranks differ, and what decides where the interquartile means order the arms otherwise."""
    verdict = "ranks differ" if found.p < found.alpha else "ranks are not shown to differ"
    (best, first), *_, (worst, last) = found.mean_ranks.items()
    apart = sum(p < found.alpha for p in found.pairs.values())
    return (
        f"Over {found.blocks} blocks, {verdict} (Friedman p = {found.p:.2g}): from {best} at {first:.2f} to {worst} at "
        f"{last:.2f}. Nemenyi's critical difference is {found.critical_difference:.2f}; {apart} of {len(found.pairs)} "
        f"pairs lie further apart.{_against_means(summary, best)}"
    )


def _against_means(summary: Summary, best: str) -> str:
    """What decides where another arm is first by interquartile mean, which leaves out the worst quarter of the runs."""
    first = summary.aggregates[0].name
    if summary.ranks is None or summary.ranks.mean_ranks[first] == summary.ranks.mean_ranks[best]:
        return ""
    arms = {
        name: [one for finding in summary.findings for one in finding.arms if one.name == name]
        for name in (first, best)
    }
    lost = {name: sum(one.ended - one.trained for one in runs) for name, runs in arms.items()}
    start = f" By interquartile mean {first} is first and not {best}: it leaves out the lowest quarter of an arm's runs"
    if not any(lost.values()):
        return f"{start}."
    shares = [f"{name} {lost[name]} of {sum(one.ended for one in runs)}" for name, runs in arms.items()]
    return f"{start}, and with them failures. Did not train: {listed(shares)}."


def counts(summary: Summary) -> str:
    """`400 runs: 340 trained, 58 stalled, 2 diverged, 0 failed, 0 preempted.`"""
    each = ", ".join(f"{count:,} {word}" for word, count in summary.counts.items())
    return f"{counted(len(summary.rows), 'run')}: {each}."


def title(summaries: Sequence[Summary]) -> str:
    """The title of a paper: the question of its one study, or the studies compared."""
    comparison = summaries[0].question
    if len(summaries) == 1 and comparison:
        return f"{comparison.arms[0]} or {comparison.arms[1]}: does the weight initializer matter?"
    return f"Does the weight initializer matter? {listed([summary.name for summary in summaries])}"


def judged(summary: Summary) -> str:
    """The margins, the line and the level of the tests."""
    level = f"each family of tests has the level {summary.alpha:.2g}" if summary.alpha else "no verdict is due"
    if summary.decided and summary.alpha:
        level = f"each family of tests has the level {ALPHA:g} over all looks"
    return (
        f"Study {summary.name} is judged by these rules: a difference matters from {margin(summary.rules)} of accuracy "
        f"or {rate_margin(summary.rules)} of training rate; a run has trained above {threshold(summary)} of validation "
        f"accuracy; {level}."
    )


def power(summary: Summary) -> str:
    """The seeds that decide one pair of arms, as the question is, and all pairs; empty where no spread is known."""
    found = [one for one in summary.power if one.one_pair.needed and one.all_pairs.needed]
    if not found:
        return ""
    one, every = (
        median(seeds.needed or 0 for seeds in kind)
        for kind in zip(*((each.one_pair, each.all_pairs) for each in found), strict=True)
    )
    return (
        f"To see a difference as large as the margin with a probability of {POWER:g}, and to show equal accuracies to "
        f"be equivalent, one pair of arms takes {one:,.0f} seeds in the median block, all pairs together {every:,.0f}. "
        f"To exclude a difference in training rate of {rate_margin(summary.rules)}, where no run fails, takes "
        f"{found[0].one_pair.rate} seeds for one pair and {found[0].all_pairs.rate} for all.{_images(summary)}"
    )


def _images(summary: Summary) -> str:
    covers = {one.covers for finding in summary.findings for one in finding.arms if one.trained}
    return " No number of seeds lowers what the test images add to an error." if IMAGES in covers else ""


def spread(summary: Summary) -> str:
    """How far the arms of a block lie apart after the first epoch and at the end."""
    ranges = []
    for finding in summary.findings:
        means = [(one.first_epoch_accuracy, one.mean) for one in finding.arms]
        known = [pair for pair in means if None not in pair]
        if len(known) > 1:
            ranges.append([PERCENT * (max(values) - min(values)) for values in zip(*known, strict=True)])
    if not ranges:
        return "No block has two means to compare."
    first, last = (number(median(values), 1) for values in zip(*ranges, strict=True))
    return (
        f"Between the best and the worst arm of a block lie {first} points of validation accuracy after the first "
        f"epoch and {last} points of test accuracy at the end, in the median of {counted(len(ranges), 'block')}."
    )


def learning_rates(summary: Summary) -> str:
    """At which of the learning rates tried each arm has its highest mean over all runs; empty unless they vary."""
    if RATE not in summary.columns or summary.tuning:
        return ""
    best: dict[tuple[str, str], tuple[float, Finding]] = {}  # by arm and by what else a block is made of
    for finding in summary.findings:
        for one in finding.arms:
            key = one.name, repr({**finding.choices, RATE: None})
            if (one.mean_of_all or 0.0) > (best[key][0] if key in best else 0.0):
                best[key] = one.mean_of_all or 0.0, finding
    rates: dict[str, set[float]] = {}
    for (name, _), (_, finding) in best.items():
        rates.setdefault(name, set()).add(finding.choices[RATE])
    arms = [
        f"{name} at {listed([f'{rate:g}' for rate in sorted(found)], 'or')}" for name, found in sorted(rates.items())
    ]
    return f"Of the learning rates tried, the highest mean over all runs is, by block, of {'; '.join(arms)}."


def cost(summary: Summary) -> str:
    """Runs, minutes, processors, the peak of memory, and what an answer to the question takes."""
    rows = summary.rows
    seconds = [row.measures["seconds"] or 0.0 for row in rows if row.measures.get("seconds")]
    memory = [row.measures["peak_memory_bytes"] or 0 for row in rows if row.measures.get("peak_memory_bytes")]
    where = listed(sorted({str(row.environment.get("device_name", "an unknown device")) for row in rows}))
    peak = f", with at most {max(memory) / MEBIBYTE:,.0f} MiB of memory in a process" if memory else ""
    times = f"{median(seconds):.1f} s in the median run, {sum(seconds) / 60:,.1f} minutes in all" if seconds else ""
    start = f"{counted(len(rows), 'run')} of study {summary.name} on {where}: {times or 'no time kept'}{peak}."
    return start + _cost_of_a_verdict(summary)


def _cost_of_a_verdict(summary: Summary) -> str:
    found = price(summary)
    if not found or not found.decided or not found.minutes:
        return ""
    return (
        f" Of {counted(found.asked, 'comparison')} that the question asks for, of runs that are not the same, "
        f"{found.decided} {'is' if found.decided == 1 else 'are'} decided, by {counted(found.runs, 'run')} of "
        f"{found.minutes:,.1f} minutes: {found.minutes / found.decided:.1f} for each."
    )


def price(summary: Summary) -> Price | None:
    """What the answer to the question took; None where the study asks none."""
    if not summary.question:
        return None
    found = {
        finding.ids(pair.initializer, pair.other): verdict(pair) not in (UNDECIDED, NEITHER)
        for finding, pair in summary.question.pairs
    }
    names = {str(row.choices["initializer"]) for one in summary.question.arms for row in summary.rows_of(one)}
    rows = [row for row in summary.rows if str(row.choices["initializer"]) in names]
    minutes = sum(row.measures.get("seconds") or 0.0 for row in rows) / 60
    return Price(len(found), sum(found.values()), len(rows), minutes)


def listing(summary: Summary) -> str:
    """How the runs of the appendix ended."""
    ended = [f"{count:,} {word}" for word, count in summary.counts.items() if count]
    return f"{counted(len(summary.rows), 'run')} of study {summary.name}: {listed(ended)}."


def threats(summary: Summary) -> list[str]:
    """The limits of the study that follow from its rows."""
    each = (_recipe, _resolution, _ceiling, _splits, _budget, _seeds, _undecided, _lost, _dirty)
    return [sentence for threat in each if (sentence := threat(summary))]


def _recipe(summary: Summary) -> str:
    if summary.tuning and summary.tuning.tune.key == RATE:
        return (
            "One recipe but for the learning rate, which is tuned for each arm on a grid; other settings, such as "
            "weight decay or the budget, are not."
        )
    rate = summary.shared().get(RATE)
    if rate is None:
        return "Learning rates vary between blocks and are not tuned for each initializer."
    return (
        f"One recipe: all runs share a learning rate of {rate:g}. An initializer that would do better at another is "
        "judged at this one."
    )


def _resolution(summary: Summary) -> str:
    covers = sorted({one.covers for finding in summary.findings for one in finding.arms if one.trained})
    images = sorted(finding.test_images for finding in summary.findings if finding.test_images)
    if not images:
        return ""
    start = f"Accuracies are measured on {range_of([f'{images[0]:,}', f'{images[-1]:,}'])} test images"
    if covers == [SEEDS]:
        return (
            f"{start}, the same ones for all seeds: intervals cover the seeds alone, and other images may order arms "
            "otherwise."
        )
    return f"{start}; intervals cover {listed(covers)}." if covers else f"{start}."


def _ceiling(summary: Summary) -> str:
    """How much of the error the margin is, where that is a quarter or more."""
    errors = [
        PERCENT * (1 - max(one.mean for one in finding.arms if one.mean is not None))
        for finding in summary.findings
        if finding.margin and any(one.mean is not None for one in finding.arms)
    ]
    if not errors or summary.rules.margin.points is None or median(errors) > 4 * summary.rules.margin.points:
        return ""
    return (
        f"The best arm of the median block errs on {number(median(errors), 1)} % of the test images, so that what is "
        f"within the margin of {margin(summary.rules)} may be a large share of the errors."
    )


def _splits(summary: Summary) -> str:
    if not any(one.covers == SPLITS for finding in summary.findings for one in finding.arms if one.trained):
        return ""
    return (
        "The splits of different seeds share images, so that intervals speak of these images split anew, not of new "
        "images, which would widen them."
    )


def _budget(summary: Summary) -> str:
    data = listed(sorted({str(row.choices.get("dataset")) for row in summary.rows}))
    epochs = summary.shared().get("epochs")
    length = f"{counted(epochs, 'epoch')} on {data}" if isinstance(epochs, int) else f"the budgets listed, on {data}"
    return f"One budget: {length}. Longer training, wider networks and other data may order the initializers otherwise."


def _seeds(summary: Summary) -> str:
    if any(row.choices.get("order_seed") is not None for row in summary.rows):
        return ""
    alone = "; an arm with a single run has no interval and no test" if summary.sizes[0] == 1 else ""
    return (
        "One seed sets the weights and the order of the batches together, so their shares in the spread are not told "
        f"apart{alone}."
    )


def _undecided(summary: Summary) -> str:
    count = sum(finding.verdict == UNDECIDED for finding in summary.findings)
    if not count or not summary.alpha:
        return ""
    return (
        f"In {count} of {counted(len(summary.findings), 'block')} the runs are too few or too spread to decide; that "
        "is no evidence of equality."
    )


def _lost(summary: Summary) -> str:
    lost = summary.counts[FAILED] + summary.counts[PREEMPTED]
    verb = "is" if lost == 1 else "are"
    return f"{counted(lost, 'run')} did not end and {verb} in no mean; the appendix says why." if lost else ""


def _dirty(summary: Summary) -> str:
    dirty = sum(bool(row.environment.get("git_dirty")) for row in summary.rows)
    runs = f"{counted(dirty, 'run')} of study {summary.name}"
    return f"{runs} were made from sources with uncommitted changes." if dirty else ""
