"""The output of `--help`: all commands, or one command with all its keys.

In: the name of a command, folders of configuration. Out: text. Touches: conf/, read only; neither torch nor Hydra.
"""

import argparse
import json
import shutil
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import catalogue
from bench.catalogue import CONF, Key
from bench.commands import COMMANDS

LEAST_WIDTH, MOST_WIDTH = 60, 120
LEFT = 24  # columns of `key=default`; a longer one stands on a line of its own
OPTION_LINES = 2  # lines of a description, of which each group has its options in

OVERVIEW = """{purpose}

usage: python -m bench COMMAND [key=value[,value...]] ...

{commands}

examples:
  python -m bench sweep
  python -m bench sweep study=mine initializer=he_normal,glorot_uniform 'seed=range(5)' epochs=2
  python -m bench list initializer
  python -m bench report study=mine format=markdown

{rest}"""
PURPOSE = (
    "Which weight initializer to use: train ResNets across initializers, activations and seeds, and put intervals on "
    "the answer."
)
REST = (
    "A value with commas is an axis of the study; all other keys are as in conf/. The same sweep again trains only "
    "what is missing. `python -m bench COMMAND --help` describes every key of a command."
)

FLAGS = (
    "`--cfg job` prints the composed configuration, `--config-dir DIR` adds a folder of options of your own, and "
    "`--hydra-help` lists Hydra's other flags."
)
CHOICES = (
    "A value with commas is an axis of the study. WORD.ARGUMENT=VALUE sets an argument of an option, as model.width=8; "
    "`python -m bench list WORD` names the arguments. Parentheses give one option values of its own: "
    "'initializer=he_normal,variance_scaling(scale=0.5|1|2)'."
)


def folders_of(words: Sequence[str]) -> list[Path]:
    """The folders of configuration, that of --config-dir first, as Hydra reads the words."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    own = parser.parse_known_args(words)[0].config_dir
    return [*([own] if own else []), CONF]


def overview() -> str:
    """All commands, a sentence each, and how a command is written."""
    lines = [line for name in COMMANDS for line in entry(name, purpose(name)[1].removesuffix("."), 11)]
    return OVERVIEW.format(purpose=filled(PURPOSE), commands="\n".join(lines), rest=filled(REST))


def command_help(command: str, folders: Sequence[Path] = (CONF,)) -> str:
    """How a command is used, what it does, and each of its keys with its default and a description."""
    usage, sentence, remarks = purpose(command)
    parts = [f"usage: {usage}", "\n".join(map(filled, filter(None, [sentence[0].upper() + sentence[1:], remarks])))]
    for heading, keys in groupby(catalogue.command_keys(command), key=lambda key: key.heading):
        lines = [line for key in keys for line in entry(typed(key), description(key, folders), LEFT)]
        notes = [filled(CHOICES)] if heading == catalogue.HEADINGS["choices"] else []
        parts.append("\n".join([f"{heading or 'Keys of this command'}:", *lines, *notes]))
    return "\n\n".join([*parts, filled(FLAGS)])


def purpose(command: str) -> tuple[str, str, str]:
    """The usage of a command, a sentence on what it does, and more sentences: the comment that opens its file."""
    comment = (CONF / f"{command}.yaml").read_text(encoding="utf-8").partition("\ndefaults:")[0]
    usage, _, rest = " ".join(line.removeprefix("# ") for line in comment.splitlines()).partition(": ")
    sentence, _, remarks = rest.removesuffix(".").partition(". ")
    return usage, f"{sentence}.", f"{remarks}." if remarks else ""


def description(key: Key, folders: Sequence[Path]) -> str:
    """The comment of a key, and the options of a group; where they are too many, the command that lists them."""
    names = [name for name in catalogue.option_files(key.name, folders) if name != "own"]
    if key.default not in names:
        return key.about
    text = f"{key.about}: {', '.join(names)}"
    room = OPTION_LINES * (width() - LEFT - 6)
    more = f", ... (`python -m bench list {key.name}`: {len(names)} names)"
    return text if len(text) <= room else text[: room - len(more)].rpartition(",")[0] + more


def entry(left: str, right: str, column: int) -> list[str]:
    """The lines of a key or a command; the description starts at a column, on the next line after a long key."""
    indent = " " * (column + 3)
    lines = textwrap.wrap(right, width() - len(indent), break_on_hyphens=False, break_long_words=False)
    if len(left) > column:
        return [f"  {left}", *(indent + line for line in lines)]
    return [f"  {left:<{column}} {lines[0]}", *(indent + line for line in lines[1:])]


def typed(key: Key) -> str:
    """A key with its default, as a command line has it; a condition on runs has no default."""
    return "where.KEY=VALUES" if key.name == "where" else f"{key.name}={text_of(key.default)}"


def text_of(value: Any) -> str:
    """A value as a command line has it."""
    if isinstance(value, list):
        return f"[{','.join(map(text_of, value))}]"
    if isinstance(value, str):
        return json.dumps(value) if "=" in value else value
    return json.dumps(value)


def filled(text: str, indent: str = "") -> str:
    """The text in lines that fit the terminal."""
    return textwrap.fill(
        text, width(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def width() -> int:
    """Columns of the terminal, within limits that can be read; 100 where there is none."""
    return max(LEAST_WIDTH, min(shutil.get_terminal_size((100, 24)).columns, MOST_WIDTH))
