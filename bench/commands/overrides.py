"""The words of a command line as Hydra's overrides.

In: the name of a command, its words. Out: words for Hydra. Touches: conf/ and a user's --config-dir, read only.
"""

import json
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from bench import catalogue, registry
from bench.commands import COMMANDS
from bench.rows.store import DECLARED, Store
from bench.schema import UserError

TUNE = {"true": "auto", "false": "[]"}
SHARED = "study.tune.shared="
RESULTS, DEFAULT = "results", "default"  # as in conf/settings.yaml
INSIDE = r"\W*hydra([./]sweeper|\.launcher\._|\.job\.chdir)|\+claim"  # keys that are set here alone
UNFIT = ("config_path", "config_name", "experimental_rerun", "run", "multirun")  # flags of Hydra


def for_hydra(command: str, words: list[str]) -> list[str]:
    """The words in the form that Hydra takes.

    For a planned command, the words about a run's choices become one list. Hydra would apply them to a single
    configuration, which has no place for an argument of the second option of an axis.
    """
    words = [of_study(word) for word in with_retry(words)]
    if command == "recommend":
        words = [re.sub(r"^(depth|width)=", r"model.\1=", word) for word in words]
    parser = get_args_parser()
    parser.allow_abbrev = False  # `--hel` would be Hydra's help, and `--vers` Hydra's version
    parser.error = refuse  # type: ignore[method-assign]
    parsed = parser.parse_intermixed_args(words)
    refuse_unfit(command, parsed)
    for key in (word.partition("=")[0] for word in parsed.overrides):
        if not key:
            raise UserError("a value without a key; write KEY=VALUE")
        if key in catalogue.PLUMBING - {"hydra"} or re.match(INSIDE, key):
            raise UserError(registry.unknown("key", key, catalogue.keys(command)))
    flags = [word for word in words if word not in (*parsed.overrides, "--")]
    overrides = with_key(command, parsed.overrides)
    if command == "report":
        overrides = for_report(overrides, parsed.config_dir)
    if command == "reproduce":
        overrides = [for_reproduce(word) for word in overrides]
    refuse_repeated(overrides)
    overrides = [quoted_arms(word) for word in overrides]
    if command == "probe":
        overrides = [re.sub(r"^input=([\d,]+)$", r"input=[\1]", word) for word in overrides]
    results = Path(next((word.partition("=")[2] for word in overrides if word.startswith("results=")), RESULTS))
    last = remembered(overrides, parsed.config_dir, results)
    # the runs of a planned command say themselves what they share
    overrides += [word for word in last if not (COMMANDS[command].planned and word.startswith(SHARED))]
    overrides = [part for word in overrides for part in named_study(word, parsed.config_dir, results)]
    if not COMMANDS[command].planned or parsed.cfg or parsed.info or parsed.hydra_help or parsed.shell_completion:
        return [*flags, *overrides]
    settings = [
        word for word in overrides if re.split(r"[.=/@]", word)[0] in {"hydra", "+claim", *catalogue.settings()}
    ]
    choices = [word for word in overrides if word not in settings]
    return [*flags, "--multirun", *settings, "overrides=" + json.dumps(choices, ensure_ascii=False)]


def refuse(message: str) -> NoReturn:
    """Raise UserError for a flag that cannot be read."""
    raise UserError(f"{message}; write KEY=VALUE, and `python -m bench COMMAND --help` lists the keys")


def refuse_unfit(command: str, parsed: Namespace) -> None:
    """Raise UserError for a flag of Hydra that a command decides itself, or that would be passed over."""
    unfit = [flag for flag in UNFIT if getattr(parsed, flag)]
    unfit = [flag for flag in unfit if flag != "multirun" or not COMMANDS[command].planned]  # which adds it itself
    if unfit:
        raise UserError(f"--{unfit[0].replace('_', '-')} fits no command here; --config-dir adds options of your own")
    if parsed.package and not parsed.cfg:
        raise UserError("--package chooses what --cfg prints; write --cfg job --package PACKAGE")


def refuse_repeated(overrides: list[str]) -> None:
    """Raise UserError for a setting that is given twice, of which Hydra would take the last."""
    keys = [word.partition("=")[0] for word in overrides if not word.startswith("where.")]
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise UserError(f"{twice[0]} is given twice; name it once")


def quoted_arms(word: str) -> str:
    """study.question=[a(x=1),b] as study.question=["a(x=1)",b]: Hydra would take the arm for a call of its own.

    Raises UserError for parentheses that do not close.
    """
    if not word.startswith("study.question="):
        return word
    if word.count("(") != word.count(")"):
        raise UserError(f"cannot read {word!r}; an arm with arguments is written NAME(ARGUMENT=VALUE, ...)")
    return re.sub(r"(?<![\w\"'-])[\w-]+\([^()]*\)", lambda arm: json.dumps(arm[0], ensure_ascii=False), word)


def with_retry(words: list[str]) -> list[str]:
    """`--retry CLASS`, which other tools have, in the form of every other setting: retry=CLASS."""
    words = [word.replace("--retry=", "retry=", 1) if word.startswith("--retry=") else word for word in words]
    if "--retry" in words:
        place = words.index("--retry")
        words[place : place + 2] = ["retry=" + "".join(words[place + 1 : place + 2])]
    return words


def of_study(word: str) -> str:
    """The short forms of keys of a study: tune=true, tune.values=0.1,0.2, screen=1,2 and until=decided."""
    key, equals, value = word.partition("=")
    if key == "tune" and value in TUNE:
        return f"study.tune.values={TUNE[value]}"
    if key == "screen":
        key, value = "screen.rungs", value if value.startswith("[") else f"[{value}]"
    if key.startswith(("tune.", "screen.")) and "," in value and not value.startswith(("[", "range")):
        value = f"[{value}]"
    if value.startswith("range("):
        value = json.dumps(value)  # as a text: Hydra would take it for an axis
    return f"study.{key}{equals}{value}" if re.fullmatch(r"until|(tune|screen)(\.\w+)?", key) else word


def with_key(command: str, words: list[str]) -> list[str]:
    """The words with a key each: those without one become the value of the command's positional key.

    Raises UserError for several words where the key takes one value.
    """
    key = COMMANDS[command].positional
    bare = [word for word in words if "=" not in word or (key == "folders" and Path(word).is_dir())]
    if key is None or not bare:
        return words
    takes_list = isinstance(catalogue.load(catalogue.CONF / f"{command}.yaml")[key], list)
    if len(bare) > 1 and not takes_list:
        raise UserError(f"{command} takes one {key}, not {len(bare)}: {', '.join(bare)}")
    value = json.dumps(bare if takes_list else bare[0], ensure_ascii=False)
    return [*(word for word in words if word not in bare), f"{key}={value}"]


def for_report(overrides: list[str], config_dir: str | None) -> list[str]:
    """The words of a report, with several studies and the conditions on runs as a list each: no run is composed."""
    several = [word for word in overrides if word.startswith("study=") and "," in word]
    where = [condition(word.removeprefix("where.")) for word in overrides if word.startswith("where.")]
    rest = [word for word in overrides if word not in several and not word.startswith("where.")]
    names = [name for word in several for name in word.partition("=")[2].split(",")]
    each = [[f"study={name}"] for name in names]
    each = [words + remembered(words, config_dir, Path(RESULTS)) for words in each]
    studies = [[part for word in words for part in named_study(word, config_dir, Path(RESULTS))] for words in each]
    listed = {"studies": studies, "where": where}
    return rest + [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in listed.items() if value]


def for_reproduce(word: str) -> str:
    """claim=a,b as claims=["a","b"]: for Hydra claim is a folder of options, of which it would take one."""
    key, _, value = word.partition("=")
    return f"claims={json.dumps(value.split(','))}" if key == "claim" else word


def condition(word: str) -> str:
    """KEY=VALUE[,VALUE...] with the names that aliases stand for."""
    key, equals, values = word.partition("=")
    group = key.partition(".")[0]
    return key + equals + ",".join(catalogue.canonical(group, value) for value in values.split(","))


def remembered(overrides: Sequence[str], config_dir: str | None, results: Path) -> list[str]:
    """How the last sweep of the study tuned and added seeds, where neither its yaml nor the command line says it.

    Without it a report would take the tuning runs for further seeds.
    """
    given = dict(word.partition("=")[::2] for word in overrides)
    name = given.get("study.name", given.get("study", DEFAULT)).strip('"')
    if not (results / name / DECLARED).is_file():
        return []
    file = study_files(config_dir).get(name)
    known = {*given, *(catalogue.nested("study", catalogue.load(file)) if file else ())}
    return [word for word in Store(results, name).read_declared() if word.partition("=")[0] not in known]


def study_files(config_dir: str | None) -> dict[str, Path]:
    """The yaml of each declared study, those of --config-dir first."""
    return catalogue.study_files([*([Path(config_dir)] if config_dir else []), catalogue.CONF])


def claimed(name: str) -> list[str]:
    """The words for Hydra that make the study of a configuration the claim of this name."""
    return ["study=claim", f"+claim@study={name}", f"study.name={json.dumps(name)}"]


def named_study(override: str, config_dir: str | None, results: Path) -> list[str]:
    """study=NAME unchanged where conf/ declares a study NAME; else the study `own` under that name.

    Raises UserError for a name that has no rows yet and is close to that of a declared study: it may be a slip.
    """
    key, _, name = override.partition("=")
    declared = study_files(config_dir)
    if key != "study":
        return [override]
    if (file := declared.get(name)) is not None:
        return claimed(name) if file.parent.name == "claim" else [override]
    near = get_close_matches(name, declared, n=1, cutoff=0.8)
    if near and not (results / name).is_dir():
        raise UserError(
            f"no study is declared as {name!r}; did you mean {near[0]}? "
            f"For a study of your own of that name write study=own study.name={name}"
        )
    return ["study=own", f"study.name={json.dumps(name, ensure_ascii=False)}"]
