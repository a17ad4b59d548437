"""The command `list`: the names of every kind, or one kind with laws, sources and arguments.

In: settings. Out: text, and an exit code. Touches: nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import catalogue, registry
from bench.commands.help import filled, text_of
from bench.commands.shared import answer, config_folders
from bench.machine.settings import Settings
from bench.schema import WORDS, UserError

KINDS = (*WORDS, "study")
ALL = "all"
INDENT = "  "
HINT = "`python -m bench list KIND` gives the law, the source and the arguments of each name, as `list initializer`."


@dataclass(frozen=True, kw_only=True)
class ListSettings(Settings):
    """The settings of `list`."""

    kind: str


def list_names(settings: ListSettings) -> int:
    """Print the names of one kind, each with its law, source and arguments, or the names alone of all kinds."""
    kind = settings.kind
    if kind not in (*KINDS, ALL):
        raise UserError(registry.unknown("kind", kind, [*KINDS, ALL]))
    found = {
        one: [about(name, option) for name, option in catalogue.options(one, config_folders()).items()]
        for one in (KINDS if kind == ALL else (kind,))
    }
    text = names_of(found) if kind == ALL else laws_of(kind, found[kind])
    print(answer(found, text, settings))
    return 0


def about(file: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """The name, law and source of an option, and its arguments with their defaults.

    Raises UserError where one of the three is missing in its file.
    """
    if missing := [key for key in ("name", "law", "source") if key not in option]:
        raise UserError(f"{file}.yaml has no {missing[0]}; an option has a name, a law and a source")
    return {key: option[key] for key in ("name", "law", "source")} | {"arguments": catalogue.arguments(option)}


def names_of(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """Each kind with its description and its names."""
    descriptions = {key.name: key.about for key in catalogue.command_keys("sweep")}
    paragraphs = [
        "\n".join([f"{kind}: {descriptions[kind]}", filled(", ".join(one["name"] for one in options), INDENT)])
        for kind, options in found.items()
    ]
    return "\n\n".join([*paragraphs, filled(HINT)])


def laws_of(kind: str, options: list[dict[str, Any]]) -> str:
    """The options of one kind: law, source, and the arguments as a command line has them."""
    prefix = "" if kind == "task" else f"{kind}."
    lines = [f"{kind}:"]
    for option in options:
        given = [f"{prefix}{key}={text_of(value)}" for key, value in option["arguments"].items() if kind != "study"]
        about = [option["law"], f"source: {option['source']}", *([" ".join(given)] if given else [])]
        lines += [f"  {option['name']}", *(filled(one, 2 * INDENT) for one in about)]
    return "\n".join(lines)
