"""The plan of a study: a run for every combination of its axes, composed once per option instead of once per run.

In: Hydra's composer, the study, the overrides of the command line. Out: runs. Touches: nothing.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from bench import catalogue, registry
from bench.bounds import Natural, checked
from bench.machine.settings import Study
from bench.parts.arguments import BY_ACTIVATION
from bench.schema import AUTO, WORDS, Run, UserError

Compose = Callable[[list[str]], DictConfig]
Axes = Mapping[str, Sequence[Any]]

MOST_RUNS = 1_000_000  # rows that a store is made for


@dataclass(frozen=True)
class Plan:
    """The runs that a command asks for, in the order of the axes, and the number of combinations that are skipped."""

    study: str
    runs: list[Run]
    skipped: int


@dataclass(frozen=True)
class Choice:
    """One option of a word, or one value of a setting: the part of a run that it decides."""

    choices: Mapping[str, Any]
    functions: Mapping[str, str]


def plan(compose: Compose, study: Study, overrides: Sequence[str]) -> Plan:
    """Plan every run of the study's axes; an axis of the command line replaces one of the same key.

    Raises UserError for a name, a key or a value that does not fit, and when nothing is left to run.
    """
    typed_axes = {**axes_of(study), **parse(overrides)}
    axes = {key: [named(key, value) for value in values] for key, values in typed_axes.items()}
    count = math.prod(map(len, axes.values()))
    if count > MOST_RUNS:
        raise UserError(f"study {study.name} asks for {count:,} runs; a study has at most {MOST_RUNS:,}")
    base = compose([f"{key}={as_word(key, values[0])}" for key, values in axes.items() if key in WORDS])
    slots = [slot(compose, base, word, of_word) for word, of_word in by_word(axes).items()]
    rest = fixed(base, axes)
    combinations = [merged([rest, *parts]) for parts in itertools.product(*slots)]
    for entry in study.skip:
        check_skip(entry, merged([rest, *itertools.chain(*slots)]).choices)
    kept = [combination for combination in combinations if not skips(study.skip, combination.choices)]
    if not kept:
        raise UserError(f"study {study.name} has no runs: {len(combinations)} combinations, all of them skipped")
    runs = [Run(study.name, combination.choices, combination.functions) for combination in kept]
    if len({run.id for run in runs}) < len(runs):
        raise UserError(f"study {study.name} asks for the same run twice: two values of an axis mean the same")
    return Plan(study.name, runs, len(combinations) - len(kept))


def as_word(word: str, name: Any) -> str:
    """The name of an option. Raises UserError for a value that is no text."""
    if not isinstance(name, str):
        raise UserError(f"{word} takes a name, not {name!r}; `python -m bench list {word}` lists them")
    return name


def declared(config: DictConfig) -> Study:
    """The study that a composed configuration declares."""
    return Study.read(plain(config.study), "study.")


def axes_of(study: Study) -> dict[str, list[Any]]:
    """The axes that a study's yaml declares, in the syntax of the command line or as yaml lists."""
    return parse([f"{key}={as_text(value)}" for key, value in study.axes.items()])


def parse(overrides: Sequence[str]) -> dict[str, list[Any]]:
    """Hydra's override grammar -> key: values. A single value is an axis of one."""
    axes: dict[str, list[Any]] = {}
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None  # finds the names of glob(...)
    for override in OverridesParser.create(loader).parse_overrides(list(overrides)):
        key, values = override.key_or_group, values_of(override)
        if key in axes:
            raise UserError(f"{key} is given twice; name it once, with its values separated by commas")
        if twice := [value for value, count in Counter(map(repr, values)).items() if count > 1]:
            raise UserError(f"{key} is given the value {', '.join(sorted(twice))} twice")
        axes[key] = values
    return axes


def named(key: str, value: Any) -> Any:
    """The value of a key; the name that an alias stands for, such as he_normal for kaiming_normal.

    An option that a user's --config-dir has under that name comes first.
    """
    word = key.partition(".")[0]
    if word not in WORDS or not isinstance(value, str):
        return value
    own = value in GlobalHydra.instance().config_loader().get_group_options(word)
    return value if own else catalogue.canonical(word, value)


def values_of(override: Override) -> list[Any]:
    """The values of one override, as Python values."""
    if override.is_add() or override.is_delete() or override.is_force_add() or override.package is not None:
        raise UserError(f"{override.input_line}: a run has fixed keys; write {override.key_or_group}=VALUE")
    if not override.is_sweep_override():
        values = [plain(override.value())]
    elif override.is_discrete_sweep():
        values = [plain(value) for value in swept(override)]
    else:
        raise UserError(f"{override.input_line}: list the values (a,b,c) or write range(start,stop,step)")
    if not values or any(value == "" for value in values):
        raise UserError(f"{override.key_or_group} has no value; write {override.key_or_group}=VALUE[,VALUE...]")
    return values


def swept(override: Override) -> Iterable[Any]:
    """The values of a list, a range or a glob. Raises UserError for a range of step 0, or of too many values."""
    if override.is_range_sweep():
        found: Any = override.value()
        start, stop, step = (
            checked(override.key_or_group, one, float) for one in (found.start, found.stop, found.step)
        )
        if step == 0 or abs(stop - start) > MOST_RUNS * abs(step):
            raise UserError(
                f"{override.input_line}: a range takes a step other than 0 and {MOST_RUNS:,} values at most"
            )
    return override.sweep_iterator()


def by_word(axes: Axes) -> dict[str, dict[str, Sequence[Any]]]:
    """Axes grouped by their word: `initializer.scale` belongs to `initializer`."""
    groups: dict[str, dict[str, Sequence[Any]]] = {}
    for key, values in axes.items():
        groups.setdefault(key.partition(".")[0], {})[key] = values
    return groups


def slot(compose: Compose, base: DictConfig, word: str, axes: Axes) -> list[Choice]:
    """Everything that one word may be in this study: its options, times the values of their arguments."""
    if word not in WORDS:
        return [Choice(setting(base, key, value), {}) for key, values in axes.items() for value in values]
    name = as_declared(base, word)["name"]
    names = axes.get(word, [name])
    options = [base if one == name else compose([f"{word}={as_word(word, one)}"]) for one in names]
    arguments = {key: values for key, values in axes.items() if key != word}
    return [
        option(config, word, dict(zip(arguments, values, strict=True)))
        for config in options
        for values in itertools.product(*arguments.values())
    ]


def as_declared(config: DictConfig, word: str) -> dict[str, Any]:
    """An option as its yaml declares it. Raises UserError where it has no name or names no function."""
    found = plain(config[word])
    about: dict[str, Any] = found if isinstance(found, dict) else {}
    if missing := [key for key in ("name", "function") if not isinstance(about.get(key), str)]:
        raise UserError(f"the yaml of this {word} has no {missing[0]}: {found}")
    return about


def option(config: DictConfig, word: str, changes: Mapping[str, Any]) -> Choice:
    """One option of a word with the changed arguments, each checked against the type that conf/ gives it."""
    about = as_declared(config, word)
    arguments = {f"{word}.{key}": typed(key, value, value) for key, value in catalogue.arguments(about).items()}
    for key, value in changes.items():
        if key not in arguments:
            raise UserError(registry.unknown(f"argument of {word} {about['name']}", key, arguments))
        arguments[key] = typed(key, value, arguments[key])
    return Choice({word: about["name"], **arguments}, {word: about["function"]})


def setting(base: DictConfig, key: str, value: Any) -> dict[str, Any]:
    """One setting of the task, such as epochs=2."""
    if key not in of_task(base):
        raise UserError(registry.unknown("key", key, catalogue.keys()))
    return {key: decided(key, typed(key, value, base[key]), base)}


def fixed(base: DictConfig, axes: Axes) -> Choice:
    """Everything that no axis changes, as conf/ has it."""
    words = [option(base, word, {}) for word in WORDS if word not in by_word(axes)]
    settings = {key: decided(key, base[key], base) for key in of_task(base) if key not in axes}
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
    known = {*catalogue.keys(), *choices}
    if missing := [key for key in entry if key not in known and key != "because"]:
        raise UserError(f"study.skip: {registry.unknown('key', missing[0], known)}")
    if not isinstance(entry.get("because"), str) or not entry["because"] or len(entry) < 2:
        raise UserError(f"study.skip takes {{KEY: VALUE, because: REASON}}, not {json.dumps(entry)}")
    for key, value in entry.items():
        if key in WORDS:
            names = {choices[key], *GlobalHydra.instance().config_loader().get_group_options(key)}
            if named(key, as_word(key, value)) not in names:
                raise UserError(f"study.skip: {registry.unknown(key, value, names)}")
        elif value is not None and choices.get(key) is not None:
            checked(f"study.skip: {key}", value, kind_of(key, choices[key]))


def skips(skip: Sequence[Mapping[str, Any]], choices: Mapping[str, Any]) -> bool:
    """Whether an entry of the study's skip list, each with its `because`, names this combination."""
    return any(
        all(choices.get(key) == named(key, value) for key, value in entry.items() if key != "because") for entry in skip
    )


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


def plain(value: Any) -> Any:
    """OmegaConf's and Hydra's containers and quoted strings as Python's own."""
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True)
    return getattr(value, "text", value)


def as_text(value: Any) -> str:
    """A yaml value in the syntax of the command line; a yaml list is an axis."""
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return value if isinstance(value, str) else json.dumps(value)
