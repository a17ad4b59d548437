"""The stages of a study whose rows decide what else it asks for: arms that go on, tuned values, seeds until decided.

In: the plan of a study, its rows, what a sweep takes. Out: a plan. Touches: what a sweep touches.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.launch.scheduler import Launch
from bench.launch.sweep import sweep
from bench.machine.settings import Settings, Study
from bench.plan import screen, tune
from bench.plan.plan import Plan
from bench.plan.tune import Final
from bench.rows.store import Store
from bench.rows.tuning import arm_of, block_of
from bench.schema import PREEMPTED, Row


def in_stages(study: Study) -> bool:
    """Whether the rows of the study decide what else it asks for."""
    return bool(study.tune or study.screen or study.until)


def staged(planned: Plan, study: Study, rows: Mapping[str, Row]) -> Plan:
    """The runs that the study asks for, as far as its rows tell; a plan without stages as it is.

    Raises UserError for a value that cannot be tuned.
    """
    if not in_stages(study):
        return planned
    rungs = screen.rungs(planned.runs, study, rows)
    found, maybe = tune.stage(rungs.kept, study, rows), tune.stage(rungs.maybe, study, {})
    later = [*found.later, *maybe.tuning, *(one.run for one in maybe.final), *maybe.later]
    asked, going, remarks = list(found.final), list[Final](), list(found.remarks)
    if study.until and asked:
        asked, going = until_decided(found.final, study, {} if later else rows)  # all blocks, or no verdict
        made, fixed = (len({one.run.id for one in finals}) for finals in (asked, found.final))
        if not later and not going:
            remarks.append(f"until=decided: {made} runs in place of {fixed} with {study.looks[-1]} seeds everywhere")
    runs = {run.id: run for run in [*rungs.runs, *found.tuning, *(one.run for one in asked)]}
    further = {run.id: run for run in [*later, *(one.run for one in going)]}
    return replace(planned, runs=[*runs.values()], later=[*further.values()], remarks=remarks)


def until_decided(final: Sequence[Final], study: Study, rows: Mapping[str, Row]) -> tuple[list[Final], list[Final]]:
    """The final runs that are due at the look that each arm is at, and those that may become due at a later one."""
    from bench.report.analysis.blocks import blocks
    from bench.report.analysis.control import set_apart
    from bench.report.analysis.judge import judge
    from bench.report.analysis.rules import Rules

    known = [compared(one, rows.get(one.run.id)) for one in final]
    found = set_apart(blocks(known))
    decided = judge(found, Rules.of(study)).decided
    assert decided is not None, "a study until decided has looks"
    due: dict[tuple[str, str], int] = {}
    going: set[tuple[str, str]] = set()
    for block, seeds, arms in zip(found, decided.seeds, decided.open, strict=True):
        for name, rows_of in {**block.arms, **block.control}.items():
            key = arm_in_block(rows_of[0].choices)
            due[key] = seeds.get(name, max(seeds.values()))  # the control has the seeds of any twin
            going |= {key} if name in arms or (name not in seeds and arms) else set()
    rank = {seed: place for place, seed in enumerate(sorted({one.choices["seed"] for one in final}))}
    keys = [(one, arm_in_block(one.choices), rank[one.choices["seed"]]) for one in final]
    asked = [one for one, key, place in keys if key in due and place < due[key]]
    return asked, [one for one, key, place in keys if key in going and place >= due[key]]


def compared(final: Final, row: Row | None) -> Row:
    """The row of a run as it is compared; one that says that it has not ended, where there is none."""
    if row is None:
        return Row(final.run.id, final.run.study, PREEMPTED, final.choices)
    return replace(row, choices=final.choices)


def arm_in_block(choices: Mapping[str, Any]) -> tuple[str, str]:
    """An arm and its block."""
    return block_of(choices), arm_of(choices)


def known(planned: Plan, study: Study, store: Store) -> Plan:
    """The same, by the rows of a store, without arms that do not fit their model: these have no rows."""
    if not in_stages(study):
        return planned
    reading = store.read(curves=False)
    unfit = {arm_in_block(arm.choices) for arm in reading.unfit}
    fitting = [run for run in planned.runs if arm_in_block(run.choices) not in unfit]
    return staged(replace(planned, runs=fitting), study, reading.rows)


def declared(study: Study) -> list[str]:
    """How the study goes on by its rows, as words of a command line, for commands to come: their words may lack it."""
    words: dict[str, Any] = {}
    if study.tune:
        words |= {f"study.tune.{key}": value for key, value in vars(study.tune).items()}
    if study.screen:
        words |= {f"study.screen.{key}": value for key, value in vars(study.screen).items()}
    if study.until:
        words["study.until"] = study.until
    return [f"{key}={json.dumps(value, separators=(',', ':'))}" for key, value in words.items()]


def sweep_stages(planned: Plan, store: Store, launch: Launch, settings: Settings) -> Plan:
    """Train what the study asks for, stage after stage, until its rows ask for nothing new.

    Returns the plan of the last stage, without the runs that do not fit their model. With `retry` only the runs of one
    stage are trained. Raises what `sweep` raises.
    """
    now, words = known(planned, settings.study, store), declared(settings.study)
    while True:
        fit = sweep(now, store, launch, settings, words)
        further = known(planned, settings.study, store)
        if settings.retry is not None or {run.id for run in further.runs} <= {run.id for run in now.runs}:
            ids = {run.id for run in fit}
            return replace(further, runs=[run for run in further.runs if run.id in ids])
        now = further
