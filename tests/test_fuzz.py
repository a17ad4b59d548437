"""Whatever value a key is given, a command answers with a sentence or does its work: never with a traceback."""

import contextlib
import io
import itertools
import sys
import typing
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose as composed
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from bench import __main__ as door
from bench import catalogue, registry
from bench.commands import COMMANDS
from bench.machine.settings import Options, Settings
from bench.plan.plan import typed
from bench.rows import tracking
from bench.schema import WORDS, Run, UserError

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

TINY = {"model": "resnet8", "model.width": "4", "dataset": "synthetic", "steps": "1", "batch_size": "16"}
HERE = {"hydra/launcher": "basic", "tracking": "off", "processes": "1", "packing": "1"}
PLANNED = [name for name, command in COMMANDS.items() if command.planned]
SLOW = {"compile", "output", "download", "ceilings"}  # minutes of compilation, a paper, a network, measurements
LONG = ("speed", "throughput", "scale", "error_rates")  # benchmarks of minutes
USUAL = {
    "report": ["output=off"],
    "why": ["0"],
    "sync": ["tracking.mode=offline"],
    "doctor": ["ceilings=false"],
    "coverage": ["simulations=100", "n=3", "shape=normal"],
}
ODD_KEYS = (
    "hydra",
    "hydra/launcher",
    "hydra/sweeper",
    "hydra.run.dir",
    "job",
    "overrides",
    "~seed",
    "+x",
    "@a",
    "study.x",
)
NUMBERS = ("0", "1", "-1", "3", "0.5", "1e39", "1e400", "nan", "inf", "9" * 23, "true")
SHAPES = (
    "null",
    "[]",
    "[1,2]",
    "[a]",
    "{}",
    "{a:1}",
    "1,2",
    "a,b",
    "range(0,1,0)",
    "range(2)",
    "glob(n*)",
    "interval(0,1)",
    "he_leaky(slope=1|2)",
    "a(x=1",
    "a()",
)
TEXTS = (
    "",
    "abc",
    "ü",
    "a=b",
    "a b",
    "'a b'",
    "a/b",
    "..",
    "~",
    "???",
    "${nope}",
    "${seed}",
    "\\",
    "(",
    "10min",
    "5epochs",
)


# the same as a yaml or Hydra reads them
VALUES = (
    *(0, 1, -1, 3, 0.5, 1e39, float("inf"), float("nan"), 10**23, True, None),
    *([], [1, 2], ["a"], [None], {}, {"a": 1}, [[]], [{}], {"every": "soon"}),
    *("", "abc", "ü", "a=b", "a b", "a/b", "..", "~", "???", "\\", "10min", "5epochs", "25%", "auto", "\0"),
)


def option_with(key: str) -> list[str]:
    """The words that choose an option which has this argument, as initializer=he_leaky for initializer.slope."""
    word, _, argument = key.partition(".")
    if word not in WORDS or not argument or word == "dataset":
        return []
    return [f"{word}={name}" for name, option in catalogue.options(word).items() if argument in option][:1]


@st.composite
def command_lines(draw):
    command = draw(st.sampled_from([*COMMANDS]))
    key = draw(st.sampled_from(sorted(catalogue.keys(command) - SLOW)) | st.sampled_from(ODD_KEYS))
    value = draw(
        st.sampled_from(NUMBERS)
        | st.sampled_from(SHAPES)
        | st.sampled_from(TEXTS)
        | st.text(st.characters(exclude_characters="/"), max_size=4)
    )
    chosen = {"study": "mine"} if COMMANDS[command].module != "benchmarks" else {}
    chosen |= TINY | HERE if command in PLANNED else {}
    option = option_with(key) if command in PLANNED else []
    usual = [*(f"{name}={one}" for name, one in chosen.items()), *USUAL.get(command, [])]
    given = {word.partition("=")[0] for word in option} | {key}
    return [command, *(word for word in usual if word.partition("=")[0] not in given), *option, f"{key}={value}"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None, own_logging: None) -> Path:
    """A folder with the rows of one study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as `main` leaves it
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in LONG:
        monkeypatch.setattr(f"bench.benchmarks.{name}.measure.measure", left_out)
    monkeypatch.setattr(tracking, "_send", lambda *_: None)
    words = [f"{key}={value}" for key, value in (TINY | HERE | {"study": "mine", "seed": "0,1"}).items()]
    assert run(["sweep", *words])[0] == 0
    return tmp_path


def left_out(*_: Any) -> None:
    """Instead of a measurement."""
    raise UserError("this takes minutes")


def run(words: list[str]) -> tuple[int, str]:
    """The exit code of a command, and its standard error."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = door.main(words)
    return code, error.getvalue()


@hypothesis.settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],  # all examples share the folder
)
@hypothesis.given(words=command_lines())
def test_no_value_of_any_key_ends_in_a_traceback(place, words):
    code, error = run(words)
    torch.set_num_threads(1)
    assert code in (0, 1, 2)
    assert "Traceback" not in error
    assert code != 2 or error.strip()


def refusal(read: Callable[[], object]) -> str | None:
    """The sentence with which a value is refused; None where it is taken."""
    try:
        read()
    except UserError as refused:
        return str(refused)
    return None


def keys_of(kind: type[Options], prefix: str = "") -> Iterator[str]:
    """The keys that a class of settings reads; for a command's own class, without those of every command."""
    hints = typing.get_type_hints(kind, include_extras=True)
    shared = {one.name for one in fields(Settings)} if kind is not Settings and issubclass(kind, Settings) else ()
    for one in fields(kind):
        key, inner = prefix + one.metadata.get("key", one.name), hints[one.name]
        if isinstance(inner, type) and issubclass(inner, Options) and one.name not in shared:
            yield from keys_of(inner, f"{key}.")
        elif one.name not in shared:
            yield key


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_takes_or_refuses_every_value(command):
    kind = typing.get_type_hints(COMMANDS[command].load(), include_extras=True)["settings"]
    with initialize_config_dir(str(catalogue.CONF), version_base="1.3"):
        configuration = OmegaConf.to_container(composed(command), resolve=True)
    kind.read(configuration)
    for key, value in itertools.product(keys_of(kind), VALUES):
        changed = deepcopy(configuration)
        *groups, last = key.split(".")
        place = changed
        for group in groups:
            place = place[group]
        place[last] = value
        said = refusal(partial(kind.read, changed))
        assert said is None or key in said


@pytest.mark.parametrize("word", WORDS)
def test_every_argument_of_every_option_takes_or_refuses_every_value(word):
    prefix = "" if word == "task" else f"{word}."

    def build(option: dict[str, Any], key: str, value: Any) -> None:
        arguments = catalogue.arguments(option)
        changed = arguments | {key: typed(f"{prefix}{key}", value, arguments[key])}
        choices = {word: option["name"]} | {f"{prefix}{one}": given for one, given in changed.items()}
        registry.build(Run("mine", choices, {word: option["function"]}), word)

    for option in catalogue.options(word).values():
        for key, value in itertools.product(catalogue.arguments(option), VALUES):
            said = refusal(partial(build, option, key, value))
            assert said is None or key in said
