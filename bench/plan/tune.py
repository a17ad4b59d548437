"""The runs of a study that tunes a value for each arm: as far as its rows tell, for each stage follows from the last.

First the tuning runs, on the grid of each block as its rows extend it, beside the runs at the shared value. Once the
tuning runs of a block have ended, the runs of each arm at the value that they choose.

In: the runs at the shared value, the study, its rows. Out: runs. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench import registry
from bench.machine.settings import Study, Tune
from bench.rows.tuning import SHARED, TUNED, arm_of, block_of, choice, is_control, is_tuning
from bench.schema import Row, Run, UserError

Arms = dict[str, list[Run]]  # the runs of a block at the shared value, by arm


@dataclass(frozen=True)
class Final:
    """A run that is judged, and what stands for a tuned value in its block: TUNED or SHARED, by the key."""

    run: Run
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> dict[str, Any]:
        """The choices by which it is compared."""
        return {**self.run.choices, **self.labels}


@dataclass(frozen=True)
class Stage:
    """What a study asks for: runs that choose values, runs that are judged, and `later` ones whose value is unknown.

    `remarks` are sentences on arms that have no value.
    """

    tuning: Sequence[Run]
    final: Sequence[Final]
    later: Sequence[Run] = ()
    remarks: Sequence[str] = ()


def stage(runs: Sequence[Run], study: Study, rows: Mapping[str, Row]) -> Stage:
    """The runs of the study, as far as its rows tell. Raises UserError for a value that cannot be tuned."""
    tune = study.tune
    if not tune:
        return Stage([], [Final(run) for run in runs])
    check(runs, study)
    blocks = _blocks(runs, tune)
    tried: dict[str, list[Row]] = defaultdict(list)
    for row in rows.values():
        if is_tuning(row.choices, tune):
            tried[block_of(row.choices, tune.key)].append(row)
    found = [_of_block(arms, tune, _by_arm(arms, tried[block])) for block, arms in blocks.items()]
    return Stage(
        _once(run for one in found for run in one.tuning),
        [final for one in found for final in one.final],
        [run for one in found for run in one.later],
        [remark for one in found for remark in one.remarks],
    )


def with_shared(study: Study, runs: Iterable[Run]) -> Study:
    """The study with the one value that its runs share, which a command line may have changed; as it is for several."""
    shared = {run.choices.get(study.tune.key) for run in runs} if study.tune else set()
    if len(shared) != 1 or study.tune.shared is not None:
        return study
    return replace(study, tune=replace(study.tune, shared=shared.pop()))


def check(runs: Sequence[Run], study: Study) -> None:
    """Raise UserError where the study cannot tune: an unknown key, several shared values, a seed that is used twice."""
    tune, key = study.tune, study.tune.key
    for run in runs:
        value = run.choices.get(key)
        if key not in run.choices or key == "seed" or arm_of({key: value}) != arm_of({}):
            known = [
                one for one in run.choices if isinstance(run.choices[one], float) and arm_of({one: 0}) == arm_of({})
            ]
            raise UserError(f"study.tune.key: {registry.unknown('number to tune', key, known)}")
        if not isinstance(value, float) or value <= 0:
            raise UserError(
                f"study.tune.key: {key} is {value!r}; only a number above 0 that need not be whole can be tuned"
            )
        if tune.shared not in (None, value):
            raise UserError(f"study.tune.shared is {tune.shared:g}, but {key} is {value:g}; give both the same value")
    if both := sorted({run.choices["seed"] for run in runs} & {*tune.seeds}):
        raise UserError(
            f"seed {both[0]} is one of study.tune.seeds and of the study: a value chosen by a seed cannot be judged by "
            "it; give study.tune.seeds others"
        )
    if any(key in entry for entry in study.skip):
        raise UserError(f"study.skip names {key}, which is tuned: all arms of a block have the same grid")


def _blocks(runs: Iterable[Run], tune: Tune) -> dict[str, Arms]:
    blocks: dict[str, Arms] = defaultdict(lambda: defaultdict(list))
    shared: dict[str, float] = {}
    for run in runs:
        block, value = block_of(run.choices, tune.key), run.choices[tune.key]
        if shared.setdefault(block, value) != value:
            raise UserError(
                f"{tune.key} is tuned and has the values {shared[block]:g} and {value:g}; give the axes one, which "
                "untuned runs share, and study.tune.values the others"
            )
        blocks[block][arm_of(run.choices)].append(run)
    return blocks


def _by_arm(arms: Arms, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The tuning rows of a block by arm; none for an arm that has not begun."""
    found: dict[str, list[Row]] = {arm: [] for arm in arms if not is_control(arms[arm][0].choices)}
    for row in rows:
        if (arm := arm_of(row.choices)) in found:
            found[arm].append(row)
    return found


def _of_block(arms: Arms, tune: Tune, rows: Mapping[str, Sequence[Row]]) -> Stage:
    runs = [run for mine in arms.values() for run in mine]
    shared: float = runs[0].choices[tune.key]
    chosen = choice(rows, tune, shared)
    firsts = [arms[arm][0] for arm in rows]
    tuning = [_at(run, tune, value, seed) for value in chosen.grid for run in firsts for seed in tune.seeds]
    tuned = [(run, chosen.values[arm]) for arm in chosen.values for run in arms[arm]]
    final = [Final(run, {tune.key: SHARED}) for run in runs]
    final += [Final(_at(run, tune, value, run.choices["seed"]), {tune.key: TUNED}) for run, value in tuned]
    later = [] if chosen.complete else [run for arm in rows for run in arms[arm]]
    return Stage(tuning, final, later, [_remark(arms[arm][0], row) for arm, row in chosen.failed.items()])


def _at(run: Run, tune: Tune, value: float, seed: int) -> Run:
    return replace(run, choices={**run.choices, tune.key: value, "seed": seed})


def _once(runs: Iterable[Run]) -> list[Run]:
    return list({run.id: run for run in runs}.values())


def _remark(run: Run, row: Row) -> str:
    cause = (row.error or {}).get("cause")
    return (
        f"{run.choices['initializer']} has no tuned value beside {run.choices.get('model')}: its tuning run {row.id} "
        f"failed ({cause}); retry=failed does it again"
    )
