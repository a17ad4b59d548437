"""How often a report is wrong, and how often it finds what is there: a row per kind of simulated studies.

In: settings. Out: rows. Touches: processes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from bench.benchmarks.error_rates.judge import judged
from bench.benchmarks.error_rates.kinds import Kind, kinds
from bench.benchmarks.error_rates.simulate import QUESTION, studies
from bench.benchmarks.row import Numbers, row_of
from bench.benchmarks.settings import ErrorRatesSettings
from bench.machine import environment
from bench.machine.pool import pool
from bench.report.analysis.rules import Rules
from bench.report.statistics import wilson
from bench.schema import AUTO, Row, UserError


def measure(settings: ErrorRatesSettings) -> Iterator[Row]:
    """The rows, in the order of the kinds. A kind meets the same studies, whatever the other kinds are.

    Raises UserError where no kind has the settings.
    """
    chosen = [
        kind
        for kind in kinds()
        if kind.scenario in settings.scenario and kind.sd in settings.sd and kind.n in settings.n
    ]
    if not chosen:
        raise UserError("no studies are simulated with this scenario, sd and n together; leave one of them out")
    rules = Rules.of(settings.study)
    task = partial(rates, rules=rules, count=settings.simulations, seed=settings.seed)
    shared = {"margin": settings.study.margin, "rate_margin": rules.rate_margin, "line": rules.line}
    shared |= {"simulations": settings.simulations, "seed": settings.seed}
    processes = environment.usable_cores() if settings.processes == AUTO else int(settings.processes)
    with pool(processes) as simulating:
        for kind, measures in zip(chosen, simulating.map(task, chosen), strict=True):
            yield row_of("error_rates", settings.study.name, {**kind.choices, **shared}, measures)


def rates(kind: Kind, rules: Rules, count: int, seed: int) -> Numbers:
    """Each share over `count` studies of a kind, with its 95 % Wilson interval: NAME, NAME_low and NAME_high.

    The interval takes all pairs of a study for one observation: wide enough, however they depend on each other.
    """
    generator = np.random.default_rng([seed, *json.dumps(kind.choices).encode()])
    asking = replace(rules, question=QUESTION, looks=())
    total: Counter[str] = Counter()
    for rows in studies(kind, count, generator):
        total.update(judged(rows, kind, asking))
    found: Numbers = {}
    for name, sum_of_shares in total.items():
        within = wilson(round(sum_of_shares), count)
        found |= {name: sum_of_shares / count, f"{name}_low": within.low, f"{name}_high": within.high}
    return found
