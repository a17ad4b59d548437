"""Sentences about a study that its verdicts, measures and environment write.

In: a Study. Out: sentences. Touches: nothing.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.report.analysis import pairs
from bench.report.analysis.pairs import UNDECIDED
from bench.report.paper.study import Line, Study, records
from bench.report.wording.format import PERCENT, counted, listed, number
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED

MEBIBYTE = 2**20
RATE = "optimizer.learning_rate"
NAMED = 8  # arms with diverged runs told in one sentence


def title(studies: Sequence[Study]) -> str:
    """What the paper is about: the question of its one study, or the studies compared."""
    asked = studies[0].summary.question
    if len(studies) == 1 and asked:
        return f"{asked.arms[0]} or {asked.arms[1]}: does the weight initializer matter?"
    return f"Does the weight initializer matter? {listed([study.name for study in studies])}"


def margins(study: Study) -> str:
    """The margin as scaled to each test set: one number, or the smallest and the largest."""
    found = sorted({about["margin_points"] for about in study.about_blocks.values()})
    return " to ".join(dict.fromkeys(number(margin, pairs.digits(margin)) for margin in (found[0], found[-1])))


def judged(study: Study) -> str:
    """The margin as stated and as used, and the level of the tests."""
    level = (
        f"each family of tests has the level {study.summary.alpha:g}" if study.summary.alpha else "no verdict is due"
    )
    stated = f"{study.summary.margin_points:g}"
    return f"Study {study.name} states {stated} points, which makes {margins(study)} on its test sets; {level}."


def power(study: Study) -> str:
    """In how many blocks the seeds at hand would see a difference of the margin; empty where no spread is known."""
    found = [one for one in records(study.summary.power) if one["seeds_for_margin"] is not None]
    if not found:
        return ""
    seen = [one for one in found if study.fewest(one["name"]) >= one["seeds_for_margin"]]
    return (
        f"To see a difference as large as the margin with a probability of {found[0]['power']:g}, a single comparison "
        f"has the seeds it takes in {len(seen)} of {counted(len(found), 'block')}."
    )


def spread(study: Study) -> str:
    """How far the arms of a block lie apart after the first epoch and at the end."""
    found = {key: _spreads(study, key) for key in ("first_epoch_accuracy_mean", "test_accuracy_mean")}
    first, last = found.values()
    if not first:
        return "No block has two means to compare."
    return (
        f"Between the best and the worst arm of a block lie {number(median(first), 1)} points of validation accuracy "
        f"after the first epoch and {number(median(last), 1)} points of test accuracy at the end, in the median of "
        f"{counted(len(first), 'block')}."
    )


def learning_rates(study: Study) -> str:
    """At which of the learning rates tried each arm has its highest mean; empty unless they vary."""
    if RATE not in study.columns:
        return ""
    best: dict[tuple[str, str], Line] = {}  # by arm and by what else a block is made of
    for block, line in study.lines:
        place = line["initializer"], repr({**study.blocks[block].choices, RATE: None})
        if (line["test_accuracy_mean"] or 0.0) > (best[place]["test_accuracy_mean"] if place in best else 0.0):
            best[place] = line
    rates: dict[str, set[float]] = {}
    for (arm, _), line in best.items():
        rates.setdefault(arm, set()).add(line[RATE])
    told = [f"{arm} at {listed([f'{rate:g}' for rate in sorted(found)], 'or')}" for arm, found in sorted(rates.items())]
    return f"Of the learning rates tried, the highest mean is, by block, of {'; '.join(told)}."


def divergence(study: Study) -> str:
    """How many runs diverged, of which arms and where."""
    told = [
        f"{line['initializer']}{f' in {block}' * (len(study.blocks) > 1)}, {line['diverged']} of {line['runs']}"
        for block, line in study.lines
        if line["diverged"]
    ]
    total = study.summary.counts[DIVERGED]
    if not told:
        return "No run diverged."
    many = "; the table of results says which" if len(told) > NAMED else f": {'; '.join(told)}"
    return f"{total} of {counted(len(study.rows), 'run')} diverged{many}."


def cost(study: Study) -> str:
    """Runs, hours, processors and the peak of memory."""
    seconds = [row.measures["seconds"] or 0.0 for row in study.rows if row.measures.get("seconds")]
    memory = [row.measures["peak_memory_bytes"] or 0 for row in study.rows if row.measures.get("peak_memory_bytes")]
    where = listed(sorted({str(row.environment.get("device_name", "an unknown device")) for row in study.rows}))
    peak = f", with at most {max(memory) / MEBIBYTE:,.0f} MiB of memory in a process" if memory else ""
    each = (
        f"{median(seconds):.1f} s in the median run, {sum(seconds) / 60:,.1f} minutes in all"
        if seconds
        else "no time kept"
    )
    return f"{counted(len(study.rows), 'run')} of study {study.name} on {where}: {each}{peak}."


def listing(study: Study) -> str:
    """How the runs of the appendix ended."""
    counts = study.summary.counts
    told = [f"{counts[status]:,} {said}" for status, said in ENDED.items() if counts[status]]
    return f"{counted(len(study.rows), 'run')} of study {study.name}: {listed(told)}."


ENDED = {OK: "converged", DIVERGED: "diverged", FAILED: "failed", PREEMPTED: "were preempted"}


def threats(study: Study) -> list[str]:
    """What the study cannot tell, as far as its rows know."""
    told = [
        _recipe(study),
        _resolution(study),
        _budget(study),
        _seeds(study),
        _undecided(study),
        _lost(study),
        _dirty(study),
    ]
    return [one for one in told if one]


def shared(study: Study) -> dict[str, Any]:
    """The choices that are the same in all runs that have them."""
    seen: dict[str, dict[str, Any]] = {}
    for row in study.rows:
        for key, value in row.choices.items():
            seen.setdefault(key, {})[repr(value)] = value
    return {key: next(iter(values.values())) for key, values in seen.items() if len(values) == 1}


def _spreads(study: Study, key: str) -> list[float]:
    means: dict[str, list[float]] = {}
    for block, line in study.lines:
        if line["test_accuracy_mean"] is not None and line["first_epoch_accuracy_mean"] is not None:
            means.setdefault(block, []).append(PERCENT * line[key])
    return [max(found) - min(found) for found in means.values() if len(found) > 1]


def _recipe(study: Study) -> str:
    rate = shared(study).get(RATE)
    if rate is None:
        return "Learning rates vary between blocks and are not tuned for each initializer."
    return (
        f"One recipe: all runs share a learning rate of {rate:g}. An initializer that would do better at another is "
        "judged at this one."
    )


def _resolution(study: Study) -> str:
    images = sorted({int(about["test_images"]) for about in study.about_blocks.values() if about["test_images"]})
    if not images or images[0] >= pairs.MARGIN_IMAGES:
        return ""
    return (
        f"A small test set: one of {images[0]:,} test images is {PERCENT / images[0]:.2g} points, so equivalence is "
        f"judged within {margins(study)} points, and smaller differences are out of reach."
    )


def _budget(study: Study) -> str:
    data = listed(sorted({str(row.choices.get("dataset")) for row in study.rows}))
    epochs = shared(study).get("epochs")
    length = f"{counted(epochs, 'epoch')} on {data}" if isinstance(epochs, int) else f"the budgets listed, on {data}"
    return f"One budget: {length}. Longer training, wider networks and other data may order the initializers otherwise."


def _seeds(study: Study) -> str:
    if any(row.choices.get("order_seed") is not None for row in study.rows):
        return ""
    alone = "; an arm with a single run has no interval and no test" if study.sizes[0] == 1 else ""
    return (
        "One seed sets the weights and the order of the batches together, so their shares in the spread are not told "
        f"apart{alone}."
    )


def _undecided(study: Study) -> str:
    count = sum(about["verdict"] == UNDECIDED for about in study.about_blocks.values())
    if not count:
        return ""
    return (
        f"In {count} of {counted(len(study.blocks), 'block')} the runs are too few or too spread to decide; that is no "
        "evidence of equality."
    )


def _lost(study: Study) -> str:
    lost = study.summary.counts[FAILED] + study.summary.counts[PREEMPTED]
    return (
        f"{counted(lost, 'run')} did not end and {'is' if lost == 1 else 'are'} in no mean; the appendix says why."
        if lost
        else ""
    )


def _dirty(study: Study) -> str:
    dirty = sum(bool(row.environment.get("git_dirty")) for row in study.rows)
    return (
        f"{counted(dirty, 'run')} of study {study.name} were made from sources with uncommitted changes."
        if dirty
        else ""
    )
