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
from bench.benchmarks.speed.work import CLASSES, Work, model_of, run_of, training_flops, work
from bench.machine import peak, precision
from bench.machine.machine import machine_of
from bench.plan.plan import Compose
from bench.schema import Machine, Row, Run, UserError
from bench.train.segment import device_name

AGAIN = "plain again"  # the control: its difference from plain is noise
WARM_UP = 2  # steps of each arm before the first block
OF_A_BLOCK = 0.25  # of its seconds: the trial that finds how many steps fill it


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
    swept = whole.runs_of(compose, settings.sweep)
    if not (works or swept or settings.soak):
        raise UserError("nothing is measured: name a work, such as work=[resnet8/1x8x8], a sweep or a soak")

    def row(choices: Mapping[str, Any], measures: Numbers, curve: list[Numbers], about: Mapping[str, Any]) -> Row:
        there = {"device_name": device_name(machine), "load": load, **about}  # the load of the minute before
        return row_of("speed", settings.study.name, {**choices, "device": machine.device}, measures, curve, **there)

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
        steps = steps_for(pools[PLAIN], settings.seconds, runs)
        sides = {PLAIN: pools[PLAIN], AGAIN: pools[PLAIN], **pools}
        curve = list(blocks(sides, runs, steps, settings.blocks))
    measures |= {"runs": runs, "steps": steps, "images": runs * steps * run.choices["batch_size"]}
    return measures, curve, {"arms": {name: pool.arm.about() for name, pool in sides.items()}}


def steps_for(plain: Pool, seconds: float, runs: int) -> int:
    """Steps of each run, at least one, for which the baseline takes about `seconds` over all runs."""
    steps, took = 1, 0.0
    while took < OF_A_BLOCK * seconds:
        steps *= 2
        took = plain.seconds(1, steps)
    return max(1, round(seconds * steps / took / runs))


def blocks(pools: Mapping[str, Pool], runs: int, steps: int, count: int) -> Iterator[Numbers]:
    """The seconds of each arm, block after block, in an order that is drawn for each; prints a line per block."""
    for block, order in enumerate(orders([*pools], count, next(iter(pools.values())).work.name)):
        seconds = {name: pools[name].seconds(runs, steps) for name in order}
        images = runs * steps * pools[order[0]].run.choices["batch_size"]
        rates = ", ".join(f"{name} {images / seconds[name]:,.0f}" for name in pools)
        where = f"{pools[order[0]].work.name}, block {block + 1} of {count}"
        print(f"{where}: {rates} images per second", file=sys.stderr, flush=True)
        yield {"block": block, **{name: seconds[name] for name in pools}}


def orders(names: Sequence[str], count: int, seed: str) -> list[list[str]]:
    """The order of the arms in each block, the same for the same seed."""
    drawn = random.Random(seed)
    return [drawn.sample(names, len(names)) for _ in range(count)]
