"""The rules by which a study is judged, as its yaml declares them before it has rows.

In: what a study declares. Out: Rules. Touches: nothing.
"""

from dataclasses import dataclass
from typing import Any

from bench.machine.settings import Screen, Study, Tune
from bench.rows.tuning import tune_of

ALPHA = 0.05  # of a family of verdicts, over all its planned looks
ENOUGH = 5  # seeds where two arms trained, below which accuracies are undecided: fewer do not show two modes


@dataclass(frozen=True)
class Margin:
    """The smallest difference in accuracy that matters: `points`, or `share` of the better arm's error."""

    points: float | None = None
    share: float | None = None

    @classmethod
    def of(cls, declared: float | str) -> "Margin":
        """1.0 as points, "25%" as a share. The settings have checked it."""
        if isinstance(declared, str):
            return cls(share=float(declared.strip("% ")) / 100)
        return cls(points=declared)

    def against(self, best: float, resolution: float) -> float:
        """In points, against an arm with the accuracy `best` (0..1) and an error of at least `resolution` points."""
        if self.points is not None:
            return self.points
        return (self.share or 0.0) * max(100 * (1 - best), resolution)


@dataclass(frozen=True)
class Rules:
    """What matters, what counts as trained, and when verdicts are due.

    margin: of accuracy. rate_margin: of the training rate, as a share of the runs. line: a run has trained when its
    validation accuracy is above this share of the way from chance to 1. question: two arms, or none. looks: planned
    numbers of seeds, or none. until: DECIDED where a block has no more seeds once its pairs are decided. tune: how a
    value was tuned for each arm, with the shared value where the axes of the study have it; screen: how arms were
    dropped before the others were trained in full; None where nothing of the kind was done.
    """

    margin: Margin
    rate_margin: float
    line: float
    question: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    until: str | None = None
    tune: Tune | None = None
    screen: Screen | None = None

    @classmethod
    def of(cls, study: Study) -> "Rules":
        """The rules that a study declares."""
        margin, question, looks = Margin.of(study.margin), tuple(study.question), tuple(study.looks)
        stages = study.until, tune_of(study), study.screen or None
        return cls(margin, study.rate_margin, study.line, question, looks, *stages)

    def threshold(self, classes: Any) -> float:
        """The validation accuracy above which a run has trained; chance is 0 where `classes` is None."""
        chance = 1 / classes if classes else 0.0
        return chance + self.line * (1 - chance)
