"""Sentences about a study, written from its findings, its measures and its environment.

In: a Summary. Out: sentences. Touches: nothing.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from bench.report.analysis.arms import Arm
from bench.report.analysis.control import AGAIN, Control
from bench.report.analysis.finding import Finding
from bench.report.analysis.interim import InterimLook
from bench.report.analysis.overall import Ranks
from bench.report.analysis.pairs import ALPHA, DIFFERENT, EQUIVALENT, MARGIN_IMAGES, UNDECIDED
from bench.report.analysis.summary import Summary
from bench.report.wording.answer import margins
from bench.report.wording.format import MEBIBYTE, PERCENT, counted, listed, number, range_of
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED

RATE = "optimizer.learning_rate"
NAMED = 8  # arms with diverged runs named in one sentence
ENDED = {OK: "converged", DIVERGED: "diverged", FAILED: "failed", PREEMPTED: "were preempted"}


def notes(summary: Summary) -> list[str]:
    """The sentences that no report may leave out: the interim look, the control, and the notes of the summary."""
    found = [look(summary.interim_look)] if summary.interim_look else []
    found += [control(summary.control)] if summary.control else []
    return [*found, *summary.notes]


def look(found: InterimLook) -> str:
    """At which planned look the study is, and the level of its verdicts."""
    planned, seeds, last = found.planned, found.seeds, found.planned[-1]
    present = range_of([str(seeds), str(found.most)])
    if found.number is None:
        due = next(one for one in planned if one > seeds)
        plan = ", ".join(map(str, planned))
        return f"Arms have {present} seeds, which is no planned look ({plan}): no verdict is due before all have {due}."
    sentence = (
        f"Look {found.number} of {len(planned)}, at {planned[found.number - 1]} of {last} seeds: each family of "
        f"verdicts is tested at {PERCENT * found.alpha:.2g} %, its share of the {PERCENT * ALPHA:g} % that all looks "
        "spend together (Lan & DeMets, of O'Brien and Fleming's kind)."
    )
    if found.most <= last:
        return sentence
    return (
        f"{sentence} Arms have {present} seeds, more than planned: if {last} were looked at, this is one look too many."
    )


def control(found: Control) -> str:
    """How often arms that cannot differ were called different."""
    start = (
        f"Control: {AGAIN} draws {' and '.join(found.of)} anew from a stream of its own ({found.runs} runs, "
        f"{found.diverged} diverged)"
    )
    if not found.pairs:
        return f"{start}; it meets no arm of that name with a mean, so it tells nothing."
    count = Counter(pair.verdict for _, pair in found.pairs)
    verdicts = ", ".join(f"{verdict} {count[verdict]}" for verdict in (DIFFERENT, EQUIVALENT, UNDECIDED))
    level = f"{PERCENT * found.alpha:.2g} %"
    chance = f"; at this level chance alone calls {level} of such pairs different" if found.alpha else ""
    return f"{start}. Of {counted(len(found.pairs), 'pair')} that cannot differ: {verdicts}{chance}."


def ranks(found: Ranks) -> str:
    """Whether the mean ranks differ, from which arm to which, and how many pairs lie apart."""
    verdict = "ranks differ" if found.p < found.alpha else "ranks are not shown to differ"
    (best, first), *_, (worst, last) = found.mean_ranks.items()
    apart = sum(p < found.alpha for p in found.pairs.values())
    return (
        f"Over {found.blocks} blocks, {verdict} (Friedman p = {found.p:.2g}): from {best} at {first:.2f} to {worst} at "
        f"{last:.2f}. Nemenyi's critical difference is {found.critical_difference:.2f}; {apart} of {len(found.pairs)} "
        "pairs lie further apart."
    )


def counts(summary: Summary) -> str:
    """`400 runs: 390 ok, 10 diverged, 0 failed, 0 preempted.`"""
    by_status = ", ".join(f"{count} {status}" for status, count in summary.counts.items())
    return f"{counted(len(summary.rows), 'run')}: {by_status}."


def title(summaries: Sequence[Summary]) -> str:
    """The title of a paper: the question of its one study, or the studies compared."""
    comparison = summaries[0].question
    if len(summaries) == 1 and comparison:
        return f"{comparison.arms[0]} or {comparison.arms[1]}: does the weight initializer matter?"
    return f"Does the weight initializer matter? {listed([summary.name for summary in summaries])}"


def judged(summary: Summary) -> str:
    """The margin as stated and as used, and the level of the tests."""
    level = f"each family of tests has the level {summary.alpha:g}" if summary.alpha else "no verdict is due"
    return (
        f"Study {summary.name} states {summary.margin_points:g} points, which makes {margins(summary)} on its test "
        f"sets; {level}."
    )


def power(summary: Summary) -> str:
    """In how many blocks the seeds at hand would see a difference of the margin; empty where no spread is known."""
    found = [(one, one.seeds_for_margin) for one in summary.power if one.seeds_for_margin is not None]
    if not found:
        return ""
    enough = sum(one.finding.fewest >= needed for one, needed in found)
    return (
        f"To see a difference as large as the margin with a probability of {found[0][0].power:g}, a single comparison "
        f"has the seeds it takes in {enough} of {counted(len(found), 'block')}."
    )


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
    """At which of the learning rates tried each arm has its highest mean; empty unless they vary."""
    if RATE not in summary.columns:
        return ""
    best: dict[tuple[str, str], tuple[float, Finding]] = {}  # by arm and by what else a block is made of
    for finding in summary.findings:
        for one in finding.arms:
            key = one.name, repr({**finding.choices, RATE: None})
            if (one.mean or 0.0) > (best[key][0] if key in best else 0.0):
                best[key] = one.mean or 0.0, finding
    rates: dict[str, set[float]] = {}
    for (name, _), (_, finding) in best.items():
        rates.setdefault(name, set()).add(finding.choices[RATE])
    arms = [
        f"{name} at {listed([f'{rate:g}' for rate in sorted(found)], 'or')}" for name, found in sorted(rates.items())
    ]
    return f"Of the learning rates tried, the highest mean is, by block, of {'; '.join(arms)}."


def divergence(summary: Summary) -> str:
    """How many runs diverged, of which arms and where."""
    arms = [_diverged(finding, one) for finding in summary.findings for one in finding.arms if one.diverged]
    if not arms:
        return "No run diverged."
    where = "; the table of results says which" if len(arms) > NAMED else f": {'; '.join(arms)}"
    return f"{summary.counts[DIVERGED]} of {counted(len(summary.rows), 'run')} diverged{where}."


def cost(summary: Summary) -> str:
    """Runs, hours, processors and the peak of memory."""
    rows = summary.rows
    seconds = [row.measures["seconds"] or 0.0 for row in rows if row.measures.get("seconds")]
    memory = [row.measures["peak_memory_bytes"] or 0 for row in rows if row.measures.get("peak_memory_bytes")]
    where = listed(sorted({str(row.environment.get("device_name", "an unknown device")) for row in rows}))
    peak = f", with at most {max(memory) / MEBIBYTE:,.0f} MiB of memory in a process" if memory else ""
    times = f"{median(seconds):.1f} s in the median run, {sum(seconds) / 60:,.1f} minutes in all" if seconds else ""
    return f"{counted(len(rows), 'run')} of study {summary.name} on {where}: {times or 'no time kept'}{peak}."


def listing(summary: Summary) -> str:
    """How the runs of the appendix ended."""
    ended = [f"{summary.counts[status]:,} {words}" for status, words in ENDED.items() if summary.counts[status]]
    return f"{counted(len(summary.rows), 'run')} of study {summary.name}: {listed(ended)}."


def threats(summary: Summary) -> list[str]:
    """The limits of the study that follow from its rows."""
    each = (_recipe, _resolution, _budget, _seeds, _undecided, _lost, _dirty)
    return [sentence for threat in each if (sentence := threat(summary))]


def _diverged(finding: Finding, one: Arm) -> str:
    where = f" in {finding.name}" if finding.name else ""
    return f"{one.name}{where}, {one.diverged} of {one.runs}"


def _recipe(summary: Summary) -> str:
    rate = summary.shared().get(RATE)
    if rate is None:
        return "Learning rates vary between blocks and are not tuned for each initializer."
    return (
        f"One recipe: all runs share a learning rate of {rate:g}. An initializer that would do better at another is "
        "judged at this one."
    )


def _resolution(summary: Summary) -> str:
    images = sorted(finding.test_images for finding in summary.findings if finding.test_images)
    if not images or images[0] >= MARGIN_IMAGES:
        return ""
    return (
        f"A small test set: one of {images[0]:,} test images is {PERCENT / images[0]:.2g} points, so equivalence is "
        f"judged within {margins(summary)} points, and smaller differences are out of reach."
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
    if not count:
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
