"""The card: what to take for one setting, from the studies that measured it, or else from the nearest one.

In: the setting, summaries of studies. Out: a Card. Touches: nothing.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bench.report.analysis.advice import EQUAL, OPEN, SAME, Advice, advice, of_block, standing
from bench.report.analysis.levels import Level, by_choice
from bench.report.analysis.summary import Summary

NEAR = ("dataset", "model.depth", "model.width", "epochs")  # that may differ in advice for the nearest setting
WORDS = (SAME, EQUAL, OPEN)  # of the arms that may be taken, what is shown the most first
Family = Callable[[Any], str]  # of a model's name: models of one family differ in depth and width alone


@dataclass(frozen=True)
class Distance:
    """How far a measured setting is from the one that is asked for: 0 in all for the same.

    far: choices that may turn the advice, such as the normalization. near: others that differ. ratio: by how much depth
    and width differ, as the sum of the logarithms of their ratios.
    """

    far: int
    near: int
    ratio: float

    @property
    def key(self) -> tuple[int, int, float]:
        """By which settings are ordered, the nearest first."""
        return self.far, self.near, self.ratio


@dataclass(frozen=True, eq=False)
class Card:
    """What to take where the choices `asked` hold; the other choices are those that were measured.

    advice: of each setting measured, that of the study with most seeds. also: that of other studies of the same
    settings. differs: what was asked and measured of each choice that differs, empty for a setting that was measured.
    near: whether the measured setting is near enough for its advice to be of use.
    """

    asked: Mapping[str, Any]
    advice: tuple[Advice, ...]
    also: tuple[Advice, ...]
    differs: Mapping[str, tuple[Any, Any]]
    near: bool

    @property
    def exact(self) -> bool:
        """Whether the setting was measured."""
        return bool(self.advice) and not self.differs

    @property
    def known(self) -> bool:
        """Whether there is advice: of this setting, or of a near one."""
        return bool(self.advice) and self.near

    @cached_property
    def trained(self) -> list[Advice]:
        """The advice of the settings in which something trains."""
        return [one for one in self.advice if one.default]

    @cached_property
    def allowed(self) -> list[str]:
        """The arms that may be taken in every setting: those of enough runs first, by the mean over all their runs."""
        if not self.trained or not self.near:
            return []
        names = [name for name in self.trained[0].allowed if all(name in one.allowed for one in self.trained)]
        if len(self.trained) == 1:
            return names
        means = {name: math.fsum(_mean(one, name) for one in self.trained) for name in names}
        return sorted(names, key=lambda name: (not all(one.enough(name) for one in self.trained), -means[name]))

    @property
    def default(self) -> str | None:
        """The arm to take: no arm is shown to be better in any of the settings; None where each arm is worse in one."""
        return self.allowed[0] if self.allowed else None

    def shown(self, name: str) -> str:
        """What is shown of an arm that may be taken, in all settings, against the default of the card."""
        return max((self._shown(one, name) for one in self.trained), key=WORDS.index)

    def _shown(self, one: Advice, name: str) -> str:
        arm = next(each for each in one.finding.arms if each.name == name)
        return standing(arm, one.finding.pair(name, self.default or name), one.allowed)


def of_study(summary: Summary) -> Card:
    """The card of all settings of one study."""
    return Card({}, tuple(advice(summary)), (), {}, near=True)


def by_level(summary: Summary) -> list[tuple[Level, Card]]:
    """A card for each value of the choice on which it depends most how far arms lie apart; none for one setting."""
    found = {one.finding: one for one in advice(summary)}
    levels = next(iter(by_choice([*found], summary.tuning).values()), [])
    return [(one, Card({}, tuple(found[each] for each in one.findings), (), {}, near=True)) for one in levels]


def card(asked: Mapping[str, Any], wanted: Mapping[str, Any], measured: Iterable[Advice], family: Family) -> Card:
    """The card of the choices `asked`; `wanted` has them with the defaults of the others, for what is near.

    Where one arm may be taken in every setting, it is the default of each.
    """
    found = [(distance(asked, wanted, one.choices, family), one) for one in measured]
    if not found:
        return Card(asked, (), (), {}, near=False)
    least = min(each.key for each, _ in found)
    nearest = [one for each, one in found if each.key == least]
    first, also = _by_setting(nearest)
    differs = {
        key: (value, first[0].choices.get(key)) for key, value in asked.items() if _differs(key, value, first[0])
    }
    own = Card(asked, tuple(first), tuple(also), differs, near=least[0] == 0)
    same = [of_block(one.summary, one.finding, one.tuned, own.default) for one in first]
    return replace(own, advice=tuple(same))


def distance(
    asked: Mapping[str, Any], wanted: Mapping[str, Any], choices: Mapping[str, Any], family: Family
) -> Distance:
    """How far the choices of a block are from those that are asked for."""
    other = [key for key, value in asked.items() if choices.get(key) != value]
    of_model = "model" in other and family(asked["model"]) == family(choices.get("model"))
    near = [key for key in other if key in NEAR or (key == "model" and of_model)]
    sizes = [
        abs(math.log(wanted[key] / choices[key]))
        for key in ("model.depth", "model.width")
        if other and _positive(wanted.get(key)) and _positive(choices.get(key))
    ]
    return Distance(len(other) - len(near), len(near), round(math.fsum(sizes), 6))


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _differs(key: str, value: Any, one: Advice) -> bool:
    return bool(one.choices.get(key) != value)


def _by_setting(found: Sequence[Advice]) -> tuple[list[Advice], list[Advice]]:
    """Of each setting the advice that counts, and all other: tuned before shared, then most seeds, then most arms."""
    ranked = sorted(found, key=lambda one: (bool(one.tuned), one.seeds, len(one.others)), reverse=True)
    first: dict[str, Advice] = {}
    for one in ranked:
        first.setdefault(setting(one), one)
    kept = sorted(first.values(), key=setting)
    return kept, [one for one in ranked if one not in kept]


def setting(one: Advice) -> str:
    """What makes two blocks the same setting: all choices but how the data are split, and a rate that is tuned."""
    rest = {
        key: value for key, value in one.choices.items() if key not in ("dataset.split_seed", "optimizer.learning_rate")
    }
    rate = None if one.tuned is not None else one.choices.get("optimizer.learning_rate")
    return repr([*sorted(rest.items(), key=lambda item: item[0]), rate])


def _mean(one: Advice, name: str) -> float:
    found = one.finding.arm(name)
    return (found.mean_of_all if found else None) or 0.0
