"""The plan of a study: a run for every combination of its axes, composed once per option instead of once per run.

In: Hydra's composer, the study, the overrides of the command line. Out: runs. Touches: nothing.
"""

import itertools
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from bench import catalogue, registry
from bench.axes import MOST_RUNS, Option, as_text, named, options, parse, plain
from bench.bounds import Natural, checked
from bench.machine.settings import Study
from bench.parts.arguments import BY_ACTIVATION
from bench.plan import own
from bench.schema import AUTO, WORDS, Run, UserError

Compose = Callable[[list[str]], DictConfig]
Axes = Mapping[str, Sequence[Any]]

MODEL = "model"
FOLLOWING = ("activation", "normalization")  # words that a model may decide, where no axis names them


@dataclass(frozen=True)
class Plan:
    """The runs that a command asks for, in the order of the axes, and the number of combinations that are skipped.

    later: runs that may follow once the rows of these are there, as far as their number and cost can be foreseen.
    remarks: sentences on what is not asked for, and why.
    """

    study: str
    runs: list[Run]
    skipped: int
    later: Sequence[Run] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Choice:
    """One option of a word, or one value of a setting: the part of a run that it decides."""

    choices: Mapping[str, Any]
    functions: Mapping[str, str]


def plan(compose: Compose, study: Study, overrides: Sequence[str]) -> Plan:
    """Plan every run of the study's axes; an axis of the command line replaces one of the same key.

    Raises UserError for a name, a key or a value that does not fit, and when nothing is left to run.
    """
    typed_axes = parse(overrides)
    axes = {**axes_of(study), **typed_axes}
    refuse_without_effect(axes, typed_axes)
    if study.until:
        axes["seed"] = up_to_last_look(axes.get("seed", [0]), study)
    count = math.prod(map(len, axes.values()))
    if count > MOST_RUNS:
        raise UserError(f"study {study.name} asks for {count:,} runs; a study has at most {MOST_RUNS:,}")
    firsts = {key: values[0].name for key, values in axes.items() if key in WORDS}
    base = compose([f"{key}={name}" for key, name in firsts.items() if not registry.is_own(key, name)])
    for arm in study.question:
        check_arm(compose, base, arm)
    words = by_word(axes)
    slots = [slot(compose, base, word, words) for word in {**words, MODEL: {}}]
    rest = fixed(base, {*words, MODEL, *FOLLOWING})
    combinations = [merged([rest, *parts]) for parts in itertools.product(*slots)]
    for entry in study.skip:
        check_skip(entry, merged([rest, *itertools.chain(*slots)]).choices)
    skipped = [skipped_by(entry) for entry in study.skip]
    kept = [one for one in combinations if not any(skips(each, one.choices) for each in skipped)]
    if not kept:
        raise UserError(f"study {study.name} has no runs: {len(combinations)} combinations, all of them skipped")
    runs = [Run(study.name, combination.choices, combination.functions) for combination in kept]
    if len({run.id for run in runs}) < len(runs):
        raise UserError(f"study {study.name} asks for the same run twice: two values of an axis mean the same")
    remarks = [
        f"study.skip: no combination has {', '.join(f'{key}={entry[key]}' for key in entry if key != 'because')}"
        for entry, each in zip(study.skip, skipped, strict=True)
        if not any(skips(each, one.choices) for one in combinations)
    ]
    return Plan(study.name, runs, len(combinations) - len(kept), remarks=remarks)


def up_to_last_look(given: Sequence[Any], study: Study) -> list[int]:
    """The seeds of a study until it is decided: as many as its last look, those given and the numbers after them.

    Raises UserError for a seed that is none, and for a study without looks.
    """
    if not study.looks:
        raise UserError("until=decided adds seeds at planned looks, and study.looks has none; such as [5,10,20]")
    seeds = sorted(checked("seed", one, Natural) for one in given)
    taken = {seed for stage in (study.tune, study.screen) if stage for seed in stage.seeds}
    free = (one for one in itertools.count(seeds[-1] + 1) if one not in taken)
    return list(itertools.islice(itertools.chain(seeds, free), study.looks[-1]))


def declared(config: DictConfig) -> Study:
    """The study that a composed configuration declares."""
    return Study.read(plain(config.study), "study.")


def axes_of(study: Study) -> dict[str, list[Any]]:
    """The axes that a study's yaml declares, in the syntax of the command line or as yaml lists."""
    return parse([f"{key}={as_text(value)}" for key, value in study.axes.items()])


def refuse_without_effect(axes: Axes, typed_axes: Axes) -> None:
    """Raise UserError for an argument of all options that each option has in parentheses, which win.

    A study's yaml may have one for options that the command line replaces.
    """
    for key in axes:
        word = key.partition(".")[0]
        values = axes.get(word, []) if word in WORDS and word != key else []
        if values and all(key in one.arguments for one in values) and (key in typed_axes or word not in typed_axes):
            raise UserError(f"{key} has no effect: each {word} has it in parentheses; leave out one of them")


def check_arm(compose: Compose, base: DictConfig, arm: str) -> None:
    """Raise UserError for an arm of a question whose option does not have its arguments, or that stands for several."""
    found = options("initializer", arm)
    if len(found) > 1:
        raise UserError(f"study.question takes two arms, and {arm} is {len(found)}; give each argument one value")
    if found[0].arguments:
        slot(compose, base, "initializer", {"initializer": {"initializer": found}})


def by_word(axes: Axes) -> dict[str, dict[str, Sequence[Any]]]:
    """Axes grouped by their word: `initializer.scale` belongs to `initializer`."""
    groups: dict[str, dict[str, Sequence[Any]]] = {}
    for key, values in axes.items():
        groups.setdefault(key.partition(".")[0], {})[key] = values
    return groups


def slot(compose: Compose, base: DictConfig, word: str, axes: Mapping[str, Axes]) -> list[Choice]:
    """Everything that one word may be in this study: its options, times the values of their arguments.

    To a model belong the activation and the normalization that no axis names: its own, or else those of conf/.
    """
    mine = axes.get(word, {})
    if word not in WORDS:
        return [Choice(setting(base, key, value), {}) for key, values in mine.items() for value in values]
    options: Sequence[Option] = mine.get(word, [Option(as_declared(base, word)["name"])])
    abouts = {one.name: about(compose, base, word, one.name) for one in options}
    check_shared(word, abouts, mine)
    found = []
    for one in options:
        shared = {key: values for key, values in mine.items() if key != word and key not in one.arguments}
        for values in itertools.product(*shared.values()):
            changes = {**one.arguments, **dict(zip(shared, values, strict=True))}
            found.append(option(abouts[one.name], word, changes, axes))
    unasked = [other for other in FOLLOWING if word == MODEL and other not in axes]
    usual = [option(as_declared(base, other), other, {}) for other in unasked]
    return [merged([*(one for one in usual if one.choices.keys().isdisjoint(each.choices)), each]) for each in found]


def check_shared(word: str, abouts: Mapping[str, Mapping[str, Any]], axes: Axes) -> None:
    """Raise UserError for an argument of all options that some of them have and others have not.

    The arguments of what is of the user's own are those of its code, which checks them itself.
    """
    declared = {name: one for name, one in abouts.items() if not registry.is_own(word, one["function"])}
    for key in axes:
        argument = key.partition(".")[2]
        having = [name for name, one in declared.items() if argument in one]
        if argument and 0 < len(having) < len(declared):
            lacking = next(name for name in declared if name not in having)
            way_out = f"give it to those that have it, as {having[0]}({argument}=VALUE|VALUE)"
            raise UserError(f"no argument of {word} {lacking} is named {key!r}; {way_out}")


def about(compose: Compose, base: DictConfig, word: str, name: str) -> dict[str, Any]:
    """An option of this name, as its yaml declares it or as every part of the user's own is declared."""
    if registry.is_own(word, name):
        return {"name": name, "function": name}
    usual = as_declared(base, word)
    return usual if name == usual["name"] else as_declared(compose([f"{word}={name}"]), word)


def as_declared(config: DictConfig, word: str) -> dict[str, Any]:
    """An option as its yaml declares it. Raises UserError where it has no name or names no function."""
    found = plain(config[word])
    about: dict[str, Any] = found if isinstance(found, dict) else {}
    if missing := [key for key in ("name", "function") if not isinstance(about.get(key), str)]:
        raise UserError(f"the yaml of this {word} has no {missing[0]}: {found}")
    return about


def option(about: Mapping[str, Any], word: str, changes: Mapping[str, Any], asked: Collection[str] = ()) -> Choice:
    """One option of a word with the changed arguments, each checked against the type that conf/ gives it."""
    if is_own := registry.is_own(word, about["function"]):
        about = own.declared(word, about)
    arguments = {f"{word}.{key}": typed(key, value, value) for key, value in catalogue.arguments(about).items()}
    given = {key: value for key, value in changes.items() if is_own and key not in arguments}
    for key, value in changes.items():
        if key not in arguments | given:
            raise UserError(registry.unknown(f"argument of {word} {about['name']}", key, arguments))
        if key in arguments:
            arguments[key] = typed(key, value, arguments[key])
    functions = {word: about["function"]}
    if is_own:
        return Choice(own.choices_of(word, about, arguments, given, asked), functions)
    return Choice({word: about["name"], **arguments}, functions)


def setting(base: DictConfig, key: str, value: Any) -> dict[str, Any]:
    """One setting of the task, such as epochs=2."""
    if key not in of_task(base):
        known = catalogue.keys()
        where = f"key of task {base.task.name}" if key in known else "key"
        raise UserError(registry.unknown(where, key, of_task(base) if key in known else known))
    return {key: decided(key, typed(key, value, base[key]), base)}


def fixed(base: DictConfig, varied: Collection[str]) -> Choice:
    """Everything that no axis changes, as conf/ has it; `varied` are the words and settings of the slots."""
    words = [option(as_declared(base, word), word, {}) for word in WORDS if word not in varied]
    settings = {key: decided(key, base[key], base) for key in of_task(base) if key not in varied}
    return merged([Choice(settings, {}), *words])


def decided(key: str, value: Any, base: DictConfig) -> Any:
    """The value of an argument of the task, with `precision=auto` decided for this device."""
    if key != "precision" or value != AUTO:
        return value
    from bench.machine.precision import resolved

    return resolved(value, base["device"])


def of_task(base: DictConfig) -> list[str]:
    """The keys of a configuration that are no words and may change a result: the seed, the arguments of the task."""
    return [str(key) for key in base if key not in ("hydra", *WORDS, *catalogue.settings())]


def merged(parts: Iterable[Choice]) -> Choice:
    """The parts of a run put together."""
    choices: dict[str, Any] = {}
    functions: dict[str, str] = {}
    for part in parts:
        choices |= part.choices
        functions |= part.functions
    return Choice(choices, functions)


def check_skip(entry: Mapping[str, Any], choices: Mapping[str, Any]) -> None:
    """Raise UserError for an entry of a skip list with an unknown key or name, or without a reason.

    `choices` has every key of the study's combinations, with one of its values.
    """
    known = {key for key in {*catalogue.keys(), *choices} if re.split("[./]", key)[0] not in catalogue.settings()}
    if missing := [key for key in entry if key not in known and key != "because"]:
        raise UserError(f"study.skip: {registry.unknown('key', missing[0], known)}")
    if not isinstance(entry.get("because"), str) or not entry["because"] or len(entry) < 2:
        raise UserError(f"study.skip takes {{KEY: VALUE, because: REASON}}, not {json.dumps(entry)}")
    for key, value in entry.items():
        if key in WORDS:
            names = {choices[key], *GlobalHydra.instance().config_loader().get_group_options(key)}
            if unknown := [one.name for one in options(key, value) if one.name not in names and ":" not in one.name]:
                raise UserError(f"study.skip: {registry.unknown(key, unknown[0], names)}")
        elif value is not None and choices.get(key) is not None:
            checked(f"study.skip: {key}", value, kind_of(key, choices[key]))


def skipped_by(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices that an entry of a skip list names; several where an option has several values of an argument."""
    named_by = [
        [one.choices(key) for one in options(key, value)] if key in WORDS else [{key: named(key, value)}]
        for key, value in entry.items()
        if key != "because"
    ]
    return [dict(itertools.chain(*map(dict.items, parts))) for parts in itertools.product(*named_by)]


def skips(skipped: Sequence[Mapping[str, Any]], choices: Mapping[str, Any]) -> bool:
    """Whether the study skips this combination: it has all choices of one of these."""
    return any(all(choices.get(key) == value for key, value in one.items()) for one in skipped)


def typed(key: str, value: Any, default: Any) -> Any:
    """The value as the type that conf/ gives it: 1 becomes 1.0 where conf/ says 2.0, so that equal runs have equal ids.

    Raises UserError for a value of another type. Where conf/ says null, the function that takes the value decides.
    """
    return checked(key, value, kind_of(key, plain(default)))


def kind_of(key: str, default: Any) -> Any:
    """The type of a value of this key, by its default; the seed of a run is no argument of a function."""
    if key == "seed":
        return Natural
    if words := BY_ACTIVATION.get(key.removeprefix("initializer.")):
        return float | Literal[words] if default is not None else Any
    return Any if default is None else list[Any] if isinstance(default, list) else type(default)
