"""A study in three sentences: what was done, what was asked and answered, what else was seen.

In: a Study. Out: three sentences. Touches: nothing.
"""

from collections import Counter

from bench.report.analysis import finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED
from bench.report.analysis.question import NEITHER, Question
from bench.report.paper.study import Study
from bench.report.wording import study as words
from bench.report.wording.format import counted, listed

NAMED = 3  # blocks or arms named in one sentence; the tables have them all
SAID = {
    finding.MATTERS: "matters",
    finding.NO_MATTER: "does not matter",
    UNDECIDED: "is undecided",
    finding.NO_TRAINING: "cannot be judged because nothing trains",
    finding.ALONE: "has nothing to be compared with",
}


def abstract(study: Study) -> tuple[str, str, str]:
    """What was done; the study's question, or where the initializer matters; the rest. Written from the verdicts."""
    asked, where, diverged = study.summary.question, _where(study), _diverged(study)
    if asked is None:
        return _setup(study), f"{where}.", f"{diverged}{_safe(study)}."
    return _setup(study), f"{_question(study, asked)}.", f"{where}; {diverged[0].lower()}{diverged[1:]}."


def _setup(study: Study) -> str:
    arms, blocks = counted(len(study.arms), "weight initializer"), counted(len(study.blocks), "block")
    data = listed(sorted({str(row.choices.get("dataset")) for row in study.rows}))
    seeds = " to ".join(dict.fromkeys((f"{study.sizes[0]}", counted(study.sizes[-1], "seed"))))
    seeds = counted(study.sizes[0], "seed") if len(study.sizes) == 1 else seeds
    return (
        f"We trained {counted(len(study.rows), 'network')} on {data}: {arms} in {blocks} of model, normalization and "
        f"activation, each with {seeds}."
    )


def _question(study: Study, asked: Question) -> str:
    ours, theirs = asked.arms
    wins = {
        arm: [
            name
            for name, pair in zip(asked.blocks, asked.pairs, strict=True)
            if pair.verdict == DIFFERENT and sign * (pair.difference_points or 0.0) > 0
        ]
        for arm, sign in ((ours, 1), (theirs, -1))
    }
    count = Counter(pair.verdict for pair in asked.pairs)
    told = [f"{arm} is better in {len(won)}{_inside(won)}" for arm, won in wins.items() if won]
    told += [f"undecided in {count[UNDECIDED]}"] if count[UNDECIDED] else []
    told += [f"neither trains in {count[NEITHER]}"] if count[NEITHER] else []
    same = (
        f"{count[EQUIVALENT] or 'none'} of {counted(len(asked.pairs), 'block')}, within {words.margins(study)} points"
    )
    return "; ".join([f"{ours} and {theirs} are equivalent in {same}", *told])


def _where(study: Study) -> str:
    verdicts = Counter(about["verdict"] for about in study.about_blocks.values())
    told = [f"{said} in {verdicts[verdict]}" for verdict, said in SAID.items() if verdicts[verdict]]
    blocks = counted(len(study.blocks), "block")
    return f"Of {blocks} with {counted(len(study.arms), 'initializer')}, the choice {listed(told)}"


def _diverged(study: Study) -> str:
    lost = Counter(
        {arm: sum(line["diverged"] for _, line in study.lines if line["initializer"] == arm) for arm in study.arms}
    )
    lost = +lost
    if not lost:
        return "No run diverged"
    arms = [f"{arm} {count}" for arm, count in lost.most_common(NAMED)]
    return f"{counted(lost.total(), 'run')} diverged ({_some(arms, len(lost))})"


def _safe(study: Study) -> str:
    """Which arms are as good as the leading one in every decided block, as the end of a sentence."""
    decided = [
        name for name in study.blocks if study.about_blocks[name]["verdict"] in (finding.MATTERS, finding.NO_MATTER)
    ]
    if not decided:
        return ""
    safe = [arm for arm in study.arms if all(study.keeps_up(name, arm) for name in decided)]
    where = counted(len(decided), "decided block")
    if not safe:
        return f"; no initializer keeps up with the leading one in all of {where}"
    return f"; never shown to be worse than the leading one in {where}: {_some(safe[:NAMED], len(safe))}"


def _inside(names: list[str]) -> str:
    return f" ({_some(names[:NAMED], len(names))})" if any(names) else ""


def _some(names: list[str], total: int) -> str:
    return ", ".join(names) + (f" and {total - len(names)} more" if total > len(names) else "")
