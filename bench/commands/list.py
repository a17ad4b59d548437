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
from bench.parts.arguments import FANS
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
    """What an option says about itself, and its arguments with their defaults.

    Raises UserError where name, law or source is missing in its file.
    """
    if missing := [key for key in ("name", "law", "source") if key not in option]:
        raise UserError(f"{file}.yaml has no {missing[0]}; an option has a name, a law and a source")
    shown = {key: option[key] for key in ("name", "aliases", "law", "source", "fans") if key in option}
    return shown | {"arguments": catalogue.arguments(option)}


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
        said = {"source": option["source"], "aliases": ", ".join(option.get("aliases", ())), "fans": option.get("fans")}
        stated = [f"{key}: {value}" for key, value in said.items() if value]
        about = [option["law"], *stated, *([" ".join(given)] if given else [])]
        lines += [f"  {option['name']}", *(filled(one, 2 * INDENT) for one in about)]
    if kind == "initializer":
        lines += ["", "fans, n_in and n_out of a layer, are counted:"]
        lines += [filled(f"{name}: {how}", INDENT) for name, how in FANS.items()]
    return "\n".join(lines)
