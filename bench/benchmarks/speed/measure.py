"""Measures every arm on every work, block after block: a row per work, then one of whole sweeps and one of short runs.

In: a function that composes, settings. Out: rows, one by one. Touches: the device, processes, temporary folders.

In a block every arm trains the same runs once, in an order that is drawn for the block, so that a drift of the machine
affects all arms alike. Ratios are taken within a block.
"""

import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from bench.benchmarks.row import Numbers, row_of
from bench.benchmarks.settings import SpeedSettings
from bench.benchmarks.speed import whole
from bench.benchmarks.speed.arms import PLAIN, Pool, arms_of, runs_for
from bench.benchmarks.speed.facts import Given
from bench.benchmarks.speed.stages import facts
from bench.benchmarks.speed.work import CLASSES, Work, model_of, run_of, training_flops, work
from bench.machine import peak, precision
from bench.machine.machine import machine_of
from bench.plan.plan import Compose
from bench.schema import Machine, Row, Run, UserError
from bench.train.segment import device_name

AGAIN = "plain again"  # the control: its difference from plain is noise
SIZES = {False: (1, 2, 4, 8, 16, 32), True: (1, 2)}  # of packs, by whether it has to be quick
WARM_UP = 2  # steps of each arm before the first block
OF_A_BLOCK = 0.25  # of its seconds: by how much the trials that find how many steps fill it have to differ
FASTER = 4  # times as many steps has the next of them


def measure(compose: Compose, settings: SpeedSettings) -> Iterator[Row]:
    """The rows, one after the other.

    Raises UserError, before anything is measured, for an unknown work, a number out of bounds, or a sweep that the
    baseline cannot do, and later when a process dies.
    """
    settings = settings.quickened() if settings.quick else settings
    machine = machine_of(settings)
    numbers = precision.resolved(settings.precision, machine.device)
    works = [work(name) for name in settings.work]
    runs = [run_of(one, compose, settings.batch_size, numbers) for one in works]
    load, *_ = os.getloadavg()

    def row(choices: Mapping[str, Any], measures: Numbers, curve: list[Numbers], about: Mapping[str, Any]) -> Row:
        there = {"device_name": device_name(machine), "load": load, **about}  # the load of the minute before
        return row_of("speed", settings.study.name, {**choices, "device": machine.device}, measures, curve, **there)

    if settings.minutes:
        for choices, measures, note in of_facts(works, runs, machine, settings):
            yield row(choices, measures, [], {"note": note})
        return
    swept = whole.runs_of(compose, settings.sweep)
    if not (works or swept or settings.soak):
        raise UserError("nothing is measured: name a work, such as work=[resnet8/1x8x8], a sweep or a soak")
    shared = {"batch_size": settings.batch_size, "blocks": settings.blocks, "seconds": settings.seconds}
    for one, run in zip(works, runs, strict=True):
        choices = {"kind": "training", "work": one.name, **shared, "precision": numbers}
        yield row(choices, *training(one, run, machine, settings))
    if swept:
        choices = {"kind": "sweep", "sweep": settings.sweep, "blocks": settings.sweep_blocks}
        yield row(choices, *whole.sweeps(swept, settings))
    if settings.soak:
        choices = {"kind": "soak", "runs": settings.soak}
        yield row(choices, *whole.soak(settings.soak, settings))


def of_facts(
    works: Sequence[Work], runs: Sequence[Run], machine: Machine, settings: SpeedSettings
) -> Iterator[tuple[dict[str, Any], Numbers, str]]:
    """Each fact as choices, measures and a note, within the minutes of the settings; prints each as well."""
    given = Given({one.name: run for one, run in zip(works, runs, strict=True)}, machine, SIZES[settings.quick])
    for place, (stage, fact) in enumerate(facts(given, 60 * (settings.minutes or 0))):
        choices = {"kind": "fact", "stage": stage, "fact": fact.name, "unit": fact.unit, **fact.about}
        value = "none" if fact.value is None else f"{fact.value:,.6g} {fact.unit}"
        print(f"{stage}: {fact.name} {dict(fact.about)}: {value} {fact.note}".rstrip(), file=sys.stderr, flush=True)
        yield choices, {"place": place, "value": fact.value, "most": fact.most}, fact.note


def training(work: Work, run: Run, machine: Machine, settings: SpeedSettings) -> whole.Found:
    """One work by every arm: measures, the seconds of each block, and the settings of the arms."""
    model = model_of(run, work.shape, CLASSES)
    arms = arms_of(run, machine, settings)
    threads = max(arm.processes * arm.threads for arm in arms)
    measures: Numbers = {"flops_per_image": training_flops(model, work.shape)}
    for name in sorted({arm.precision for arm in arms}):
        measures[f"matmul_{name}"] = peak.matmul(name, machine.device, threads)
    with ExitStack() as held:
        pools = {arm.name: held.enter_context(Pool(arm, work, run, machine)) for arm in arms}
        for pool in pools.values():
            pool.seconds(pool.arm.at_once, WARM_UP)
        runs = runs_for(arms)
        sides = {PLAIN: pools[PLAIN], AGAIN: pools[PLAIN], **pools}
        steps = {name: steps_for(pool, settings.seconds, runs) for name, pool in pools.items()}
        steps[AGAIN] = steps[PLAIN]
        curve = list(blocks(sides, runs, steps, settings.blocks))
    measures |= {"runs": runs, "steps": steps[PLAIN], "images": runs * steps[PLAIN] * run.choices["batch_size"]}
    return measures, curve, {"arms": {name: pool.arm.about() | {"steps": steps[name]} for name, pool in sides.items()}}


def steps_for(pool: Pool, seconds: float, runs: int) -> int:
    """Steps of each run, at least one, for which all `runs` take the arm about `seconds`, besides what they set up."""
    at_once = pool.arm.at_once
    steps, before, took = 1, pool.seconds(at_once, 1), 0.0
    while took - before < OF_A_BLOCK * seconds:
        steps, before = FASTER * steps, took or before
        took = pool.seconds(at_once, steps)
    a_step = (took - before) / (steps - steps // FASTER)
    return max(1, round(seconds / a_step * at_once / runs))


def blocks(pools: Mapping[str, Pool], runs: int, steps: Mapping[str, int], count: int) -> Iterator[Numbers]:
    """The seconds of each arm for the images of the first, block after block, in an order that is drawn for each.

    A faster arm takes more steps, so that what a run sets up, such as the capture of its steps, does not rule its time.
    Prints a line per block.
    """
    first = next(iter(pools))
    images = runs * steps[first] * pools[first].run.choices["batch_size"]
    for block, order in enumerate(orders([*pools], count, pools[first].work.name)):
        seconds = {name: pools[name].seconds(runs, steps[name]) * steps[first] / steps[name] for name in order}
        rates = ", ".join(f"{name} {images / seconds[name]:,.0f}" for name in pools)
        where = f"{pools[first].work.name}, block {block + 1} of {count}"
        print(f"{where}: {rates} images per second", file=sys.stderr, flush=True)
        yield {"block": block, **{name: seconds[name] for name in pools}}


def orders(names: Sequence[str], count: int, seed: str) -> list[list[str]]:
    """The order of the arms in each block, the same for the same seed."""
    drawn = random.Random(seed)
    return [drawn.sample(names, len(names)) for _ in range(count)]
