"""A model or a dataset of the user's own, or of a library, in a plan: its arguments, its source, what it brings along.

In: a word, "module:name", what a command line gives it. Out: choices. Touches: imports of that module.
"""

import inspect
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any

from bench import catalogue, registry
from bench.bounds import checked
from bench.schema import Run, UserError

PLAIN = (int, float, bool, str, type(None))


def declared(word: str, about: Mapping[str, Any]) -> Mapping[str, Any]:
    """The option with the arguments that every such part has, at their defaults in conf/; none with a decorator."""
    if registry.is_registered(word, registry.find(word, about["function"])):
        return about
    return {**catalogue.options(word).get("own", {}), **about}


def choices_of(
    word: str, about: Mapping[str, Any], arguments: Mapping[str, Any], given: Mapping[str, Any], asked: Collection[str]
) -> dict[str, Any]:
    """All choices of one option: its name, its arguments, the source of its code, and what a model has of its own.

    `arguments` are those that conf/ declares, and `given` the others, by their keys; `asked` has the words that an axis
    names. Raises UserError for an argument that the code does not take, for one that it lacks, and what it raises.
    """
    name, function = about["name"], about["function"]
    choices = {word: name, **arguments, **given, f"{word}.{registry.SOURCE}": registry.source_of(word, function)}
    if not registry.is_registered(word, registry.find(word, function)):
        part: Any = registry.build(Run("", choices, {word: function}), word)
        choices |= _fitting(word, name, part.known(), part.supplied(), {**arguments, **given})
    if word == "model":
        from bench.parts.model.own import labels

        choices |= labels(name, registry.build(Run("", choices, {word: function}), word), asked)
    return choices


def _fitting(
    word: str,
    name: str,
    known: Mapping[str, inspect.Parameter],
    supplied: Collection[str],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """The arguments in the types that the code declares. Raises UserError for an unknown and for a missing one."""
    keys = {f"{word}.{one}": parameter for one, parameter in known.items() if one != registry.SOURCE}
    for key in given:
        if key not in keys:
            raise UserError(registry.unknown(f"argument of {name}", key, sorted(keys) or ["none"]))
    for key, parameter in keys.items():
        if parameter.default is parameter.empty and key not in given and parameter.name not in supplied:
            raise UserError(f"{name} needs a value for {parameter.name}; write {key}=VALUE")
    return {key: checked(key, value, _kind(keys[key])) for key, value in given.items()}


def _kind(parameter: inspect.Parameter) -> Any:
    """The type of an argument where it is a plain one; a number with decimals is one also by its default."""
    annotation, default = parameter.annotation, parameter.default
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    if all(one in PLAIN for one in (typing.get_args(annotation) if union else (annotation,))):
        return annotation
    return float | Any if type(default) is float else Any
