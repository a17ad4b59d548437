"""conf/ read as plain data: the options of each word, and the keys of each command with their comments.

In: folders of configuration. Out: names, keys, and yaml as dictionaries. Touches: conf/ and a user's --config-dir, read
only.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bench.schema import WORDS, UserError

# Beside the package in a checkout, inside it in an installed wheel.
CONF = next(
    folder for folder in (Path(__file__).parent / "conf", Path(__file__).parents[1] / "conf") if folder.is_dir()
)

ABOUT = ("name", "aliases", "law", "source", "fans", "function", "report")  # of an option; the others are arguments
PLUMBING = {"hydra", "job", "overrides", "studies"}  # keys that a command line is translated to; nobody types them
TYPED = {"study.name": "study", "claims": "claim"}  # keys that a command line has as that of a folder of options
HEADINGS = {"choices": "What a run is made of", "settings": "Settings"}  # of the keys of these two files
GROUPS = {"choices": "task", "settings": "tracking"}  # chosen in these two files: their arguments are keys as well


@dataclass(frozen=True)
class Key:
    """A key as a command line has it, its default, its comment, and the heading that it stands under in its file."""

    name: str
    default: Any
    about: str
    heading: str


def option_files(word: str, folders: Iterable[Path] = (CONF,)) -> dict[str, Path]:
    """The file of every option of `word` by name, sorted; an earlier folder hides the same name in a later one."""
    files = {file.stem: file for folder in reversed([*folders]) for file in (folder / word).glob("*.yaml")}
    return dict(sorted(files.items()))


def study_files(folders: Iterable[Path] = (CONF,)) -> dict[str, Path]:
    """The file of every study by name, those of claims too, which are studies with a test.

    Raises UserError where a claim has the name of a study, in whose folder its rows would be.
    """
    folders = [*folders]
    claims, declared = option_files("claim", folders), option_files("study", folders)
    if both := [name for name in claims if name in declared]:
        raise UserError(f"a claim and a study are both named {both[0]}; rename {claims[both[0]]}")
    return {**claims, **declared}


def options(word: str, folders: Iterable[Path] = (CONF,)) -> dict[str, dict[str, Any]]:
    """Every option of `word` by name, sorted, as its file has it."""
    found = {name: load(file) for name, file in option_files(word, folders).items()}
    return {name: {**option.pop(word, {}), **option} for name, option in found.items()}  # a task's stand one level up


def canonical(word: str, name: Any) -> Any:
    """The name of the option that has this alias, such as he_normal for torch's kaiming_normal; others unchanged."""
    return aliases(word).get(name, name) if isinstance(name, str) else name


@cache
def aliases(word: str) -> dict[str, str]:
    """The aliases of the options of `word`, each with the name that it stands for."""
    return {alias: name for name, option in options(word).items() for alias in option.get("aliases", ())}


def load(file: Path) -> dict[str, Any]:
    """One yaml file as a dictionary. Raises UserError for a file of anything but keys."""
    try:
        with file.open(encoding="utf-8") as text:  # by which yaml names the file in what it raises
            found = yaml.safe_load(text) or {}
    except UnicodeDecodeError as refused:
        raise UserError(f"{file} is not UTF-8: {refused.reason} at byte {refused.start}") from refused
    if not isinstance(found, dict):
        raise UserError(f"{file} takes lines of KEY: VALUE")
    return found


def nested(prefix: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a dictionary and of those in it, as a command line has them: study.tune.values."""
    for key, value in found.items():
        yield from nested(f"{prefix}.{key}", value) if isinstance(value, Mapping) else [f"{prefix}.{key}"]


def arguments(option: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an option gives its function: its keys without those that are about it."""
    return {key: value for key, value in option.items() if key not in ABOUT}


@cache
def settings() -> frozenset[str]:
    """The keys that no result depends on: those of conf/settings.yaml, and of the commands that plan runs."""
    planned = [file.stem for file in CONF.glob("*.yaml") if "choices" in files_of(file.stem)[1:]]
    found = [key for name in ("settings", *planned) for key in load(CONF / f"{name}.yaml")]
    return frozenset({*found, "study", "tracking"} - {"defaults"})


def keys(command: str = "sweep") -> set[str]:
    """Every key that a command takes: those of its help and, where it plans runs, the arguments of all options."""
    known = {name for key in command_keys(command) for name in (key.name, key.name.partition(".")[0])}
    if "choices" not in files_of(command):
        return known
    for word in WORDS:
        for option in options(word).values():
            known.update(arguments(option) if word == "task" else (f"{word}.{key}" for key in arguments(option)))
    return known | settings() - PLUMBING


def written(command: str) -> set[str]:
    """The keys at the top of the files of a command."""
    return {key for file in files_of(command) for key in load(CONF / f"{file}.yaml")} | {"study", "tracking"}


def files_of(command: str) -> list[str]:
    """The files in conf/ that a command's configuration is composed from: its own first, the settings last."""
    entries = load(CONF / f"{command}.yaml").get("defaults", [])
    below = [file for entry in entries if isinstance(entry, str) and entry != "_self_" for file in files_of(entry)]
    return [command, *sorted(below, key=lambda file: file == "settings")]


def command_keys(command: str) -> list[Key]:
    """The keys of a command, in the order of its help; the heading of its own keys is empty.

    Where several files set a key, the first has the default, and the first with a comment has the rest. A key without
    a comment is left out.
    """
    found: list[Key] = []
    for file in files_of(command):
        inside = described(CONF / f"{file}.yaml")
        found += [replace(key, heading=key.heading or HEADINGS.get(file, "")) for key in inside]
        found += arguments_of(GROUPS[file], found) if file in GROUPS else []
    defaults = {key.name: key.default for key in reversed(found)}
    commented = {key.name: key for key in reversed(found) if key.about}
    return [replace(key, default=defaults[key.name]) for key in found if commented.get(key.name) is key]


def arguments_of(group: str, found: Sequence[Key]) -> list[Key]:
    """The arguments of the option that is the default of a group."""
    default = next(key.default for key in found if key.name == group)
    prefix = "" if group == "task" else f"{group}."
    return [
        replace(key, name=prefix + key.name, heading=f"Arguments of {group}={default}")
        for key in described(CONF / group / f"{default}.yaml")
        if key.name.rpartition(".")[2] not in ABOUT
    ]


def described(file: Path) -> list[Key]:
    """The keys of one file, each with the comment that ends its line and the comment line above its paragraph.

    An entry of the defaults list is a key too: `study: default`, or `override hydra/launcher: joblib`.
    """
    text = file.read_text(encoding="utf-8")
    lines, heading = text.splitlines(), ""
    found: dict[str, Key] = {}
    for key, value in yaml.compose(text).value:
        above = lines[key.start_mark.line - 1]
        if above.startswith("# ") and key.value != "defaults":
            heading = above[2:]
        if key.value not in PLUMBING:
            found |= {one[0]: Key(*one, heading) for one in leaves(key.value, value, lines)}
    return [*found.values()]


def leaves(name: str, node: yaml.Node, lines: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    """The name, the value and the comment of each key in a part of a file."""
    if name == "defaults":
        groups = [pair for entry in node.value if isinstance(entry, yaml.MappingNode) for pair in entry.value]
        inside = [(key.value.removeprefix("override "), value) for key, value in groups]
    elif isinstance(node, yaml.MappingNode) and node.value:
        inside = [(f"{name}.{key.value}", value) for key, value in node.value]
    else:
        comment = re.fullmatch(r"[\s}\]]*# ?(.*)", lines[node.end_mark.line][node.end_mark.column :])
        yield TYPED.get(name, name), yaml.safe_load(yaml.serialize(node)), comment[1] if comment else ""
        return
    for inner, value in inside:
        yield from leaves(inner, value, lines)
