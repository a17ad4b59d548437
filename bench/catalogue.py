"""conf/ read as plain data: which options a word has, what each says of itself, which keys exist.

In: folders of configuration. Out: names and yaml as dictionaries. Touches: conf/ and a user's --config-dir, read only.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bench.schema import WORDS

# Beside the package in a checkout, inside it in an installed wheel.
CONF = next(
    folder for folder in (Path(__file__).parent / "conf", Path(__file__).parents[1] / "conf") if folder.is_dir()
)

ABOUT = ("name", "law", "source", "function", "report")  # what an option says of itself; every other key is an argument


def options(word: str, folders: Iterable[Path] = (CONF,)) -> dict[str, dict[str, Any]]:
    """Every option of `word` by name, sorted; an option of an earlier folder hides a later one of the same name."""
    files = {file.stem: file for folder in reversed([*folders]) for file in (folder / word).glob("*.yaml")}
    read = {name: load(files[name]) for name in sorted(files)}
    return {name: {**option.pop(word, {}), **option} for name, option in read.items()}  # a task's stand one level up


def load(file: Path) -> dict[str, Any]:
    """One yaml file as a dictionary."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")) or {})


def arguments(option: Mapping[str, Any]) -> dict[str, Any]:
    """What an option hands to its function, without what it says of itself."""
    return {key: value for key, value in option.items() if key not in ABOUT}


@cache
def settings() -> frozenset[str]:
    """The keys that no result depends on: those of conf/settings.yaml, its own defaults among them."""
    keys = load(CONF / "settings.yaml")
    return frozenset(keys) - {"defaults"} | {
        word for entry in keys["defaults"] if isinstance(entry, dict) for word in entry
    }


def keys(command: str = "sweep") -> set[str]:
    """Every key that a command takes: settings, its own and, where it plans runs, all that a run is made of."""
    own = load(CONF / f"{command}.yaml")
    words = (*WORDS, "tracking") if "choices" in own["defaults"] else ("tracking",)
    known = {*settings(), *own, *words}
    for word in words:
        for option in options(word).values():
            known.update(arguments(option) if word == "task" else (f"{word}.{key}" for key in arguments(option)))
    if "task" in words:
        known.update(load(CONF / "choices.yaml"))
    return known - {"defaults", "hydra", "job", "overrides", "studies"}
