"""The stages of a study whose rows decide what else it asks for: tuned values, and seeds until verdicts are decided.

In: the plan of a study, its rows, what a sweep takes. Out: a plan. Touches: what a sweep touches.
"""

from collections.abc import Mapping

from bench.launch.scheduler import Launch
from bench.launch.sweep import sweep
from bench.machine.settings import Settings, Study
from bench.plan import tune
from bench.plan.plan import Plan
from bench.rows.store import Store
from bench.schema import Row


def in_stages(study: Study) -> bool:
    """Whether the rows of the study decide what else it asks for."""
    return bool(study.tune)


def staged(planned: Plan, study: Study, rows: Mapping[str, Row]) -> Plan:
    """The runs that the study asks for, as far as its rows tell; a plan without stages as it is.

    Raises UserError for a value that cannot be tuned.
    """
    if not in_stages(study):
        return planned
    found = tune.stage(planned.runs, study, rows)
    runs = {run.id: run for run in [*found.tuning, *(one.run for one in found.final)]}
    return Plan(planned.study, list(runs.values()), planned.skipped, found.later, found.remarks)


def known(planned: Plan, study: Study, store: Store) -> Plan:
    """The same, with the rows of a store, which are read only where they decide."""
    return staged(planned, study, store.read(curves=False).rows) if in_stages(study) else planned


def sweep_stages(planned: Plan, store: Store, launch: Launch, settings: Settings) -> Plan:
    """Train what the study asks for, stage after stage, until its rows ask for nothing new; the plan of the last stage.

    With `retry` only the runs of one stage are trained. Raises what `sweep` raises.
    """
    now = known(planned, settings.study, store)
    sweep(now, store, launch, settings)
    while settings.retry is None:
        further = known(planned, settings.study, store)
        if {run.id for run in further.runs} <= {run.id for run in now.runs}:
            return further
        now = further
        sweep(now, store, launch, settings)
    return now
