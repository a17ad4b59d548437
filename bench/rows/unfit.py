"""The arms that a sweep leaves out, since their initializer does not fit their model, and the reason of each.

In: the runs of a plan and reasons, or a study's folder. Out: arms, sentences. Touches: nothing; a file is read.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.schema import Run

UNFIT = "unfit.jsonl"
PLACE = ("model", "normalization", "activation", "dataset")  # the words that tell where, as many as are needed


@dataclass(frozen=True)
class UnfitArm:
    """The runs of one arm in one block. `about` says which arm does not fit where; `choices` are without the seed."""

    about: str
    reason: str
    choices: Mapping[str, Any]
    runs: tuple[str, ...]  # ids


def unfit_arms(runs: Sequence[Run], reasons: Mapping[str, str]) -> list[UnfitArm]:
    """The arms among the runs of a plan that have a reason by their id.

    Each is named with as few words as tell its arm from others of that initializer, and its place from those that the
    arm fits.
    """
    varying = _varying(runs)
    fits = {(_arm(run), place) for run in runs if run.id not in reasons for place in _places(run, varying)}
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in (run for run in runs if run.id in reasons):
        groups[_text(run.choices)].append(run)
    found = []
    for alike in groups.values():
        first, places = alike[0], _places(alike[0], varying)
        place = next((one for one in places if (_arm(first), one) not in fits), places[-1])
        about = f"{_name(first, runs)} does not fit {'/'.join(place)}"
        choices = {key: value for key, value in first.choices.items() if key != "seed"}
        found.append(UnfitArm(about, reasons[first.id], choices, tuple(run.id for run in alike)))
    return found


def sentences(arms: Iterable[UnfitArm]) -> list[str]:
    """One sentence per arm and place: `fixup does not fit plain14 (5 runs left out): a plain net has no branches`."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for one in arms:
        counts[one.about, one.reason] += len(one.runs)
    return [
        f"{about} ({count} run{'s' * (count != 1)} left out): {reason}" for (about, reason), count in counts.items()
    ]


def after(earlier: Iterable[UnfitArm], arms: Iterable[UnfitArm], planned: Iterable[str]) -> list[UnfitArm]:
    """The arms of earlier sweeps of a study and of this one; one of which a planned run has this id fits now."""
    fitting = set(planned)
    known = {_text(one.choices): one for one in earlier if fitting.isdisjoint(one.runs)}
    for one in arms:
        before = known.get(_text(one.choices))
        known[_text(one.choices)] = replace(
            one, runs=tuple(dict.fromkeys((*(before.runs if before else ()), *one.runs)))
        )
    return list(known.values())


def text_of(arms: Iterable[UnfitArm]) -> str:
    """The arms as lines of JSON."""
    return "".join(f"{json.dumps(asdict(one))}\n" for one in arms)


def read(folder: Path) -> list[UnfitArm]:
    """The arms in a study's folder; what is not a whole line of one is passed over, since a sweep finds it again."""
    found = []
    with suppress(OSError, UnicodeDecodeError):
        for line in (folder / UNFIT).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError, KeyError):
                one = UnfitArm(**json.loads(line))
                found.append(replace(one, choices=dict(one.choices), runs=tuple(map(str, one.runs))))
    return found


def _text(choices: Mapping[str, Any]) -> str:
    """All choices but the seed."""
    return json.dumps({**choices, "seed": None}, sort_keys=True)


def _arm(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple((key, repr(value)) for key, value in sorted(run.choices.items()) if _of_arm(key))


def _of_arm(key: str) -> bool:
    return key.partition(".")[0] == "initializer"


def _name(run: Run, runs: Iterable[Run]) -> str:
    """The initializer of a run, with those arguments that another of that name has otherwise."""
    name = run.choices["initializer"]
    varying = _varying(other for other in runs if other.choices["initializer"] == name)
    inside = ", ".join(f"{key.partition('.')[2]}={run.choices[key]}" for key in varying if _of_arm(key))
    return f"{name}({inside})" if inside else str(name)


def _places(run: Run, varying: Sequence[str]) -> list[tuple[str, ...]]:
    """The place of a run by one word, by two, and so on; at last by every choice that varies."""
    words = [str(run.choices.get(word)) for word in PLACE]
    rest = [f"{key}={run.choices.get(key)}" for key in varying if not (_of_arm(key) or key in (*PLACE, "seed"))]
    return [*(tuple(words[:count]) for count in range(1, len(words) + 1)), (*words, *rest)]


def _varying(runs: Iterable[Run]) -> list[str]:
    """The choices that are not the same in all runs, sorted."""
    values: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for key, value in run.choices.items():
            values[key].add(repr(value))
    return sorted(key for key, seen in values.items() if len(seen) > 1)
