"""The command `recommend`: which initializer to take for a setting, by the rows of all studies.

In: how to compose a configuration, settings. Out: a card as text, and an exit code. Touches: rows are read; nothing is
written. A few runs are begun again where code has changed since, one is trained with check=true, and steps are timed
where nothing was measured.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig

from bench import catalogue, registry
from bench.axes import Option, parse
from bench.commands.overrides import named_study, remembered
from bench.commands.paper import table_of
from bench.commands.shared import config_folders, known_store
from bench.launch.stages import known
from bench.machine.settings import PlannedSettings, Study
from bench.plan.plan import Compose, declared, plan
from bench.rows.expiry import CURRENT, UNKNOWN, Beginning, Expiry, commits, compared, unchanged
from bench.rows.store import Reading, Store, studies
from bench.schema import OK, WORDS, Machine, Row, Run, UserError

if TYPE_CHECKING:
    from bench.report.analysis.advice import Advice
    from bench.report.analysis.card import Card
    from bench.report.tables.card import Sweep

NOT_ASKED = ("initializer", "seed", "task")  # which a card answers, or which are no choice of a setting
USUAL = ("he_normal", "glorot_uniform", "torch_default", "orthogonal")  # arms of a sweep where nothing was measured
SWEPT = ("tune=true", "until=decided", "'study.looks=[5,10,20]'")
STEP_S, EPOCH_S = 1.0, 5.0  # that a step and an epoch took, above which no run is begun again unasked
COMPARED = ("test_accuracy", "test_loss", "train_loss", "validation_loss")  # of a run that is trained again


@dataclass(frozen=True, kw_only=True)
class RecommendSettings(PlannedSettings):
    """The settings of `recommend`."""

    check: bool


def recommend(compose: Compose, launch: Any, settings: RecommendSettings) -> int:
    """Print the card of the setting that the command line names."""
    from bench.report.analysis.card import card
    from bench.report.tables.card import sheet
    from bench.report.terminal import render

    asked, wanted = setting(compose, settings)
    found = card(asked, wanted, advice(compose, settings), family)
    sweep = None if found.exact else sweep_of(found, compose, settings)
    checked = again(found, settings) if settings.check and found.known else ""
    expiry = expiry_of(found, settings) if found.known else None
    print(render(sheet(found, expiry, sweep, checked), settings.format), end="")
    return 0


def setting(compose: Compose, settings: PlannedSettings) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The choices that the command line asks for, and all choices of such a run.

    Raises UserError where it asks for none, for several values of one, or for what a card answers.
    """
    axes = parse(settings.overrides)
    if not axes:
        raise UserError("for which network? Write `python -m bench recommend model=NAME`, as model=resnet20")
    for key, values in axes.items():
        if key.partition(".")[0] in NOT_ASKED:
            raise UserError(f"{key} is not part of a setting, which is such as model=resnet20 normalization=batch")
        if len(values) > 1:
            raise UserError(f"{key} has {len(values)} values; a card is for one of them")
    study = replace(settings.study, axes={}, skip=[], question=[], until=None)
    choices = plan(compose, study, settings.overrides).runs[0].choices
    keys = [
        key for key, (value,) in axes.items() for key in (key, *(value.arguments if isinstance(value, Option) else ()))
    ]
    return {key: choices[key] for key in keys}, choices


def advice(compose: Compose, settings: PlannedSettings) -> "Iterator[Advice]":
    """The advice of each block of each study, or of the one that the command line names."""
    from bench.report import summarize_study
    from bench.report.analysis import advice as blocks

    given = any(word.startswith(("study=", "study.name=")) for word in HydraConfig.get().overrides.task)
    for name in [known_store(settings).folder.name] if given else studies(settings.results):
        try:
            reading = Store(settings.results, name).read(curves=False)
            if compares_arms(reading):
                one = replace(settings, study=study_of(name, compose, settings))
                yield from blocks.advice(summarize_study(reading.rows.values(), one, unfit=reading.unfit))
        except UserError as unreadable:
            print(f"study {name} is left out: {unreadable}", file=sys.stderr)


def compares_arms(reading: Reading) -> bool:
    """Whether the rows of a study compare initializers in training runs."""
    rows = list(reading.rows.values())
    return bool(rows) and not table_of(rows) and all("initializer" in row.choices for row in rows)


def study_of(name: str, compose: Compose, settings: PlannedSettings) -> Study:
    """A study as its yaml declares it, and as its last sweep did beside that."""
    own = next((str(one) for one in config_folders() if one != catalogue.CONF), None)
    words = [f"study={name}"]
    words += remembered(words, own, settings.results)
    return declared(compose([part for word in words for part in named_study(word, own, settings.results)]))


def family(name: Any) -> str:
    """The function that builds a model of this name; networks of one differ in depth and width alone."""
    return str(catalogue.options("model").get(str(name), {}).get("function", name))


def functions_of(row: Row) -> dict[str, str]:
    """The function of each word of a run, as conf/ names it; of one's own code its name. Empty where conf/ has none."""
    names = {word: str(row.choices[word]) for word in WORDS if word in row.choices}
    found = {
        word: name
        if registry.is_own(word, name)
        else catalogue.options(word, config_folders()).get(name, {}).get("function")
        for word, name in names.items()
    }
    return {word: str(function) for word, function in found.items()} if all(found.values()) else {}


def expiry_of(card: "Card", settings: PlannedSettings) -> Expiry:
    """Whether today's code still makes the rows of a card, the user's own code too."""
    rows = [row for one in card.advice for arm in one.finding.arms for row in arm.rows]
    if unchanged(rows) and not any(own_changed(row) for row in rows):
        return Expiry(CURRENT, commits(rows))
    firsts = [*firsts_of(card, settings)]
    try:
        found = compared([row for row, _ in firsts], [begun_again(*one, settings) for one in firsts])
        return replace(found, commits=commits(rows))
    except UserError as reason:
        return Expiry(UNKNOWN, commits(rows), reason=str(reason))


def firsts_of(card: "Card", settings: PlannedSettings) -> "Iterator[tuple[Row, bool]]":
    """A run of each arm in each setting, as its row says, and whether to train its whole first epoch.

    Of the defaults that is done, unless it takes long; a run whose steps take long is not begun at all.
    """
    read = cache(lambda study: Store(settings.results, study).read().rows)
    for one in card.advice:
        for arm in one.finding.arms:
            rows = [read(row.study)[row.id] for row in arm.rows if row.measures.get("steps")]
            if rows and seconds_per(row := min(rows, key=lambda row: row.id), row.measures["steps"]) < STEP_S:
                is_default = one.default is not None and arm is one.default.arm
                yield row, is_default and seconds_per(row, len(row.curve)) < EPOCH_S


def seconds_per(row: Row, count: float | None) -> float:
    """The seconds of a run over a count of its steps or epochs; infinity where it has none."""
    seconds = row.measures.get("seconds")
    return seconds / count if seconds and count else math.inf


def begun_again(row: Row, epoch: bool, settings: PlannedSettings) -> Beginning:
    """How the run of a row begins today. Raises UserError where it cannot be begun here."""
    from bench.train.contract import task_of
    from bench.train.task.train import Train

    functions = functions_of(row)
    task = task_of(run := Run(row.study, row.choices, functions)) if functions else None
    if not isinstance(task, Train):
        raise UserError(f"conf/ has no longer all parts of run {row.id}")
    try:
        return task.begin(run, set_up_as(row, replace(settings, download=False)), None if epoch else 1)
    except (RuntimeError, TypeError, ValueError) as error:  # of the user's own code, which may have changed
        raise UserError(f"run {row.id} cannot be begun again: {error}") from error


def set_up_as(row: Row, settings: PlannedSettings) -> Machine:
    """The device of a row, here; this process computes from now on with its number of threads, by which sums round.

    Raises UserError where there is no such device.
    """
    from bench.machine import allocator
    from bench.machine.machine import machine_of

    device, threads = row.environment.get("device", "cpu"), row.environment.get("threads", settings.threads)
    here = machine_of(replace(settings, device=str(device), threads=threads))
    allocator.configure(here.threads, packing=1)
    return here


def own_changed(row: Row) -> bool:
    """Whether a part of the user's own has another source than in this row."""
    return any(
        source_now(word, row) != row.choices[key]
        for word in WORDS
        if (key := f"{word}.{registry.SOURCE}") in row.choices
    )


def source_now(word: str, row: Row) -> str | None:
    """What the source of a part of the user's own is today; None where it is not there."""
    try:
        return registry.source_of(word, str(row.choices[word]))
    except UserError:
        return None


def sweep_of(card: "Card", compose: Compose, settings: PlannedSettings) -> "Sweep":
    """The sweep that would measure the setting, and its minutes, which are not known where its data are not here.

    Raises UserError for a setting that no sweep can have.
    """
    from bench.commands.sweep import minutes_left
    from bench.report.tables.card import Sweep

    arms = sorted({arm.name for one in card.advice for arm in one.finding.arms if arm.trained}) or USUAL
    name = f"card_{'_'.join(str(value) for value in card.asked.values())}"
    name = "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in name)
    initializer = f"initializer={','.join(arms)}"
    quoted = [f"'{one}'" if set(one) & set("() ") else one for one in (*settings.overrides, initializer)]
    command = " ".join([f"python -m bench sweep study={name}", *quoted, *SWEPT])
    words = ["study=own", f"study.name={json.dumps(name)}", "study.tune.values=auto", "study.until=decided"]
    study, store = declared(compose([*words, "study.looks=[5,10,20]"])), Store(settings.results, name)
    base = plan(compose, study, [*settings.overrides, initializer])
    first = base.runs[0]
    load = registry.build(first, "dataset")
    try:
        load(settings.data, False, first.choices["seed"])
    except UserError as missing:
        print(f"the minutes of that sweep are not known: {missing}", file=sys.stderr)
        return Sweep(command, None)
    _, minutes = minutes_left(known(base, study, store), store, replace(settings, study=study))
    return Sweep(command, round(minutes, 2))


def again(card: "Card", settings: PlannedSettings) -> str:
    """What one run of the default gives that is trained again now, against its row. Writes nothing."""
    from bench.train.contract import task_of

    ids = {id for one in card.trained if one.default for id in one.default.arm.ids}
    rows = [row for one in card.trained for row in one.summary.rows if row.id in ids and row.status == OK]
    row = min(rows, key=lambda row: row.id)
    if not (functions := functions_of(row)):
        return f"Run {row.id} cannot be trained again: conf/ does not know its parts any more. The card has expired."
    run = Run(row.study, row.choices, functions)
    try:
        here = set_up_as(row, settings)
    except UserError as reason:
        return f"Not checked: run {row.id} cannot be trained here: {reason}."
    (now,) = task_of(run).perform([run], here)
    differ = [key for key in COMPARED if now.measures.get(key) != row.measures.get(key)]
    if not differ:
        return (
            f"Checked: run {row.id}, trained again now, gives the same result to the last digit; the card is current."
        )
    shown = "; ".join(f"{key} {row.measures.get(key)} then, {now.measures.get(key)} now" for key in differ)
    then, today = (f"{one.environment.get('device_name')}, torch {one.environment.get('torch')}" for one in (row, now))
    return (
        f"Checked: run {row.id}, trained again now, gives another result ({shown}). Either the card has expired, or "
        f"another processor or torch rounds otherwise (then {then}; now {today})."
    )
