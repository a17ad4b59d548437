"""Every number of a study by its key, so that a text can ask for it: acc.he_normal.resnet20.batch.relu.

In: a Study. Out: Keys. Touches: nothing.
"""

from typing import Any

from bench.report.analysis import finding
from bench.report.analysis import pairs as decisions
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED
from bench.report.analysis.question import NEITHER
from bench.report.paper.keys import Keys, put
from bench.report.paper.study import Line, Study
from bench.report.statistics import intervals
from bench.report.statistics.sample import LEVEL
from bench.report.wording import study as words
from bench.report.wording.abstract import abstract
from bench.report.wording.format import PERCENT, counted, interval, number, p, points
from bench.schema import WORDS

NO_MEAN, NO_INTERVAL = "no mean", "no interval (one run)"


def evidence(study: Study) -> Keys:
    """The keys of a study. Those of a block end with its choices, in the order of its columns.

    acc, first, diverged, seconds: by arm and block. difference: by arm, other arm and block. block: by block. question:
    difference and verdict by block. runs, count, abstract, margin, answer: of the study.
    """
    keys = Keys()
    summary, asked = study.summary, study.summary.question
    for key, value in {"name": study.name, "law": study.about["law"], "source": study.about["source"]}.items():
        put(keys, (key,), value)
    for status, count in {"total": len(study.rows), **summary.counts}.items():
        put(keys, ("runs", status), count)
    for key, value in _counts(study).items():
        put(keys, ("count", key), value)
    for key, text in zip(("setup", "answer", "rest"), abstract(study), strict=True):
        put(keys, ("abstract", key), text)
    put(keys, ("answer",), summary.answer)
    put(keys, ("margin",), f"{summary.margin_points:g}")
    for key, value in _said(study).items():
        put(keys, (key,), value)
    for name in study.blocks:
        _of_block(keys, study, name)
    for name, line in study.lines:
        _of_arm(keys, study, name, line)
    for (name, arm, other), pair in study.pairs.items():
        put(keys, ("difference", arm, other, *path(study, name)), *_difference(pair, study.digits(name)))
    if asked:
        put(keys, ("question", "ours"), asked.arms[0])
        put(keys, ("question", "theirs"), asked.arms[1])
        put(keys, ("question", "answer"), asked.answer)
        for name, one in zip(asked.blocks, asked.pairs, strict=True):
            block = name or next(iter(study.blocks))
            put(keys, ("question", "difference", *path(study, block)), *_difference(vars(one), study.digits(block)))
    return keys


def _said(study: Study) -> dict[str, Any]:
    """What is written whole: sentences, and lists of them."""
    said: dict[str, Any] = {
        "suffix": study.suffix,
        "margins": words.margins(study),
        "judged": words.judged(study),
        "spread": words.spread(study),
        "divergence": words.divergence(study),
        "learning_rates": words.learning_rates(study),
        "cost": words.cost(study),
        "listing": words.listing(study),
        "notes": list(study.summary.notes),
        "sentences": [
            (name if len(study.blocks) > 1 else about["label"], about["sentence"])
            for name, about in study.about_blocks.items()
        ],
        "threats": words.threats(study),
    }
    ranks, power = study.summary.ranks, words.power(study)
    return said | ({"ranks": ranks.sentence} if ranks else {}) | ({"power": power} if power else {})


def common() -> dict[str, str | int]:
    """What holds for every study: the level of intervals, the margin's test set, what counts as near chance."""
    return {
        "level": f"{PERCENT * LEVEL:g} %",
        "many": intervals.MANY,
        "margin_images": decisions.MARGIN_IMAGES,
        "near_chance": f"{finding.NEAR_CHANCE:g}",
    }


def path(study: Study, name: str) -> tuple[str, ...]:
    """A block's choices as the end of a key: resnet20, batch, relu, and NAME=VALUE for what is no word of the house."""
    choices = study.blocks[name].choices.items()
    return tuple(str(value) if column in WORDS else f"{column.rpartition('.')[2]}={value}" for column, value in choices)


def _counts(study: Study) -> dict[str, Any]:
    verdicts = [about["verdict"] for about in study.about_blocks.values()]
    asked = study.summary.question
    of_question = [pair.verdict for pair in asked.pairs] if asked else []
    said = {"matters": finding.MATTERS, "no_matter": finding.NO_MATTER, "undecided": UNDECIDED}
    said |= {"no_training": finding.NO_TRAINING}
    asks = {"different": DIFFERENT, "equivalent": EQUIVALENT, "undecided": UNDECIDED, "neither": NEITHER}
    return {
        "blocks": len(study.blocks),
        "arms": len(study.arms),
        "seeds": len({row.choices.get("seed") for row in study.rows}),
        **{key: verdicts.count(verdict) for key, verdict in said.items()},
        **{f"question_{key}": of_question.count(verdict) for key, verdict in asks.items()},
    }


def _of_block(keys: Keys, study: Study, name: str) -> None:
    about, end = study.about_blocks[name], path(study, name)
    margin = about["margin_points"]
    children = {
        "leader": about["leader"] or "no arm",
        "margin": number(margin, decisions.digits(margin)),
        "sentence": about["sentence"],
        "runs": len(study.runs(name, *study.arms_of(name))),
    }
    put(keys, ("block", *end), children, about["verdict"])


def _of_arm(keys: Keys, study: Study, name: str, line: Line) -> None:
    end, digits = (line["initializer"], *path(study, name)), study.digits(name)
    mean, low, high = (line[f"test_accuracy_{one}"] for one in ("mean", "low", "high"))
    bounds = NO_INTERVAL if low is None else f"[{number(low, digits, PERCENT)}, {number(high, digits, PERCENT)}]"
    shown = {"mean": _percent(mean, digits), "interval": bounds, "n": line["converged"]}
    put(keys, ("acc", *end), shown, NO_MEAN if mean is None else f"{_percent(mean, digits)} {bounds}")
    rate = {
        "rate": interval(line, "divergence_rate", "divergence_rate", 0, PERCENT) + " %",
        "count": line["diverged"],
    }
    put(keys, ("diverged", *end), rate, f"{line['diverged']} of {counted(line['runs'], 'run')}")
    put(keys, ("first", *end), _percent(line["first_epoch_accuracy_mean"], 1))
    put(keys, ("seconds", *end), f"{number(line['seconds_mean'], 1)} s")


def _difference(pair: Line, digits: int) -> tuple[dict[str, Any], str]:
    shown = points(pair["difference_points"], pair["low_points"], pair["high_points"], digits)
    return {"verdict": pair["verdict"], "seeds": pair["seeds"], "p": p(pair["p_holm"])}, f"{shown} points"


def _percent(value: float | None, digits: int) -> str:
    return NO_MEAN if value is None else f"{number(value, digits, PERCENT)} %"
