"""Every number of a study by its key, for a text to print: acc.he_normal.resnet20.batch.relu.

In: a Summary. Out: Keys. Touches: nothing.
"""

from typing import Any

from bench.report.analysis.arms import Arm
from bench.report.analysis.blocks import short
from bench.report.analysis.card import of_study
from bench.report.analysis.finding import EQUAL, MATTERS, NO_MATTER, Finding
from bench.report.analysis.levels import of_study as of_levels
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, NEITHER, UNDECIDED, WITHIN, Pair
from bench.report.analysis.rules import ENOUGH
from bench.report.analysis.summary import Summary
from bench.report.paper.keys import Keys, put
from bench.report.statistics.intervals import MANY
from bench.report.wording import answer, block, card
from bench.report.wording import study as words
from bench.report.wording.factor import factor, leads
from bench.report.wording.format import PERCENT, accuracy, confidence, counted, estimate, listed, number, p, points
from bench.report.wording.tuning import changed

NO_MEAN, NO_INTERVAL = "no mean", "no interval (one run)"


def evidence(summary: Summary, suffix: str = "") -> Keys:
    """The keys of a study. Those of a block end with its choices, in the order of its columns.

    acc, rate, first, seconds: by arm and block. difference: by arm, other arm and block. block: by block. question:
    difference and verdict by block. runs, count, abstract, answer, conclusion, margin: of the study. `suffix` ends the
    names of its tables and figures in a paper of several studies.
    """
    keys = Keys()
    for key, value in {"name": summary.name, "law": summary.about["law"], "source": summary.about["source"]}.items():
        put(keys, (key,), value)
    for outcome, count in {"total": len(summary.rows), **summary.counts}.items():
        put(keys, ("runs", outcome), count)
    for key, value in _counts(summary).items():
        put(keys, ("count", key), value)
    for key, value in _texts(summary, suffix).items():
        put(keys, (key,), value)
    for finding in summary.findings:
        _put_block(keys, summary, finding)
    for finding in summary.findings:
        for one in finding.arms:
            _put_arm(keys, finding, one)
    for finding in summary.findings:
        for pair in (turn for one in finding.pairs for turn in (one, one.turned())):
            put(keys, ("difference", pair.initializer, pair.other, *path(finding)), *_difference(finding, pair))
    if comparison := summary.question:
        put(keys, ("question", "ours"), comparison.arms[0])
        put(keys, ("question", "theirs"), comparison.arms[1])
        put(keys, ("question", "answer"), answer.question(summary))
        for finding, pair in comparison.pairs:
            put(keys, ("question", "difference", *path(finding)), *_difference(finding, pair))
    return keys


def common() -> dict[str, str | int]:
    """The keys of every study: the level of intervals, the values of a bootstrap, the seeds of an equivalence."""
    return {"level": confidence(), "many": MANY, "enough": ENOUGH}


def path(finding: Finding) -> tuple[str, ...]:
    """A block's choices as the end of a key: resnet20, batch, relu, and NAME=VALUE for any other choice."""
    return tuple(short(column, value) for column, value in finding.choices.items())


def _texts(summary: Summary, suffix: str) -> dict[str, Any]:
    """Whole sentences, and lists of them, by key."""
    texts: dict[str, Any] = {
        "abstract": " ".join(answer.abstract(summary)),
        "answer": answer.answer(summary),
        "conclusion": answer.conclusion(summary),
        "margin": answer.margin(summary.rules),
        "rate_margin": answer.rate_margin(summary.rules),
        "line": f"{summary.rules.line:g}",
        "suffix": suffix,
        "judged": words.judged(summary),
        "take": card.take(of_study(summary)),
        "control": words.control(summary.control) if summary.control else "",
        "training": answer.training(summary),
        "factor": factor(summary),
        "leads": leads(of_levels(summary)),
        "setup": answer.setup(summary),
        "spread": words.spread(summary),
        "learning_rates": words.learning_rates(summary),
        "cost": words.cost(summary),
        "listing": words.listing(summary),
        "notes": words.notes(summary),
        "sentences": [(finding.title, block.sentence(finding)) for finding in summary.findings],
        "threats": words.threats(summary),
    }
    power = words.power(summary)
    tuned = {"tuning": changed(summary.tuning)} if summary.tuning else {}
    ranks = {"ranks": words.ranks(summary, summary.ranks)} if summary.ranks else {}
    return texts | ranks | tuned | ({"power": power} if power else {})


def _counts(summary: Summary) -> dict[str, Any]:
    of_blocks = [finding.verdict for finding in summary.findings]
    of_question = summary.question.verdicts if summary.question else []
    blocks = {"matters": MATTERS, "no_matter": NO_MATTER, "equal": EQUAL, "undecided": UNDECIDED, "neither": NEITHER}
    questions = {"different": DIFFERENT, "within": WITHIN, "equivalent": EQUIVALENT}
    questions |= {"undecided": UNDECIDED, "neither": NEITHER}
    return {
        "blocks": len(summary.findings),
        "arms": len(summary.arms),
        "seeds": len({row.choices.get("seed") for name in summary.arms for row in summary.rows_of(name)}),
        **{key: of_blocks.count(verdict) for key, verdict in blocks.items()},
        **{f"question_{key}": of_question.count(verdict) for key, verdict in questions.items()},
    }


def _put_block(keys: Keys, summary: Summary, finding: Finding) -> None:
    children = {
        "leading": listed(summary.advised(finding).leading) or "no arm",
        "margin": number(finding.margin, finding.digits),
        "sentence": block.sentence(finding),
        "runs": sum(one.runs for one in finding.arms),
    }
    put(keys, ("block", *path(finding)), children, answer.word_of_block(finding))


def _put_arm(keys: Keys, finding: Finding, one: Arm) -> None:
    end, digits, reached = (one.name, *path(finding)), finding.digits, one.accuracy
    mean = NO_MEAN if reached is None else accuracy(reached.value, digits)
    bounds = (
        f"[{number(reached.low, digits, PERCENT)}, {number(reached.high, digits, PERCENT)}]"
        if reached and reached.low is not None
        else NO_INTERVAL
    )
    everyone = NO_MEAN if one.mean_of_all is None else accuracy(one.mean_of_all, digits)
    shown = {"mean": mean, "interval": bounds, "n": one.trained, "all": everyone}
    put(keys, ("acc", *end), shown, f"{mean} {bounds}" if reached else NO_MEAN)
    rate = {"share": f"{estimate(one.rate, 0, PERCENT)} %", "stalled": one.stalled, "diverged": one.diverged}
    put(keys, ("rate", *end), rate, f"{one.trained} of {counted(one.ended, 'run')}")
    first = one.first_epoch_accuracy
    put(keys, ("first", *end), NO_MEAN if first is None else accuracy(first, 1))
    put(keys, ("seconds", *end), f"{number(one.seconds, 1)} s")


def _difference(finding: Finding, pair: Pair) -> tuple[dict[str, Any], str]:
    children = {
        "verdict": answer.verdict(pair),
        "seeds": pair.seeds,
        "p": p(pair.accuracy.p_adjusted),
        "rate": f"{points(pair.rate, 0)} points",
    }
    return children, f"{points(pair.accuracy, finding.digits)} points"
