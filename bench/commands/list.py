"""The command `list`: the names there are.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: nothing.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from bench import catalogue, registry
from bench.commands.settings import config_folders, plain, shown
from bench.schema import WORDS, UserError

KINDS = (*WORDS, "study")


def list_names(config: DictConfig) -> int:
    """Print the names there are, each with its law and source."""
    settings = plain(config)
    if settings["kind"] not in (*KINDS, "all"):
        raise UserError(registry.unknown("kind", settings["kind"], [*KINDS, "all"]))
    kinds = KINDS if settings["kind"] == "all" else (settings["kind"],)
    found = {kind: catalogue.options(kind, config_folders()) for kind in kinds}
    said = {kind: [entry(option) for option in options.values()] for kind, options in found.items()}
    lines = [
        "\n".join([kind, *(f"  {one['name']:<28} {one['law']}\n{'':<30} {one['source']}" for one in entries)])
        for kind, entries in said.items()
    ]
    print(shown(said, "\n\n".join(lines), settings))
    return 0


def entry(option: Mapping[str, Any]) -> dict[str, Any]:
    """What `list` says of an option: its name, law and source, and its arguments with their defaults."""
    about = {key: option[key] for key in ("name", "law", "source")}
    return {**about, "arguments": catalogue.arguments(option)}
