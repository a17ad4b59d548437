"""Whatever value a key is given, a command answers with a sentence or does its work: never with a traceback."""

import contextlib
import io
import sys
from pathlib import Path

import pytest
import torch

from bench import __main__ as door
from bench import catalogue
from bench.schema import WORDS

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

TINY = {"model": "resnet8", "model.width": "4", "dataset": "synthetic", "steps": "1", "batch_size": "16"}
HERE = {"hydra/launcher": "basic", "tracking": "off", "processes": "1", "packing": "1"}
COMMANDS = ("plan", "why", "verify", "report", "status", "list", "seal", "merge")
PLANNED = COMMANDS[:3]
SLOW = {"compile", "output", "download"}  # minutes of compilation, a paper, a network
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


def option_with(key: str) -> list[str]:
    """The words that choose an option which has this argument, as initializer=he_leaky for initializer.slope."""
    word, _, argument = key.partition(".")
    if word not in WORDS or not argument or word == "dataset":
        return []
    return [f"{word}={name}" for name, option in catalogue.options(word).items() if argument in option][:1]


@st.composite
def command_lines(draw):
    command = draw(st.sampled_from(COMMANDS))
    key = draw(st.sampled_from(sorted(catalogue.keys(command) - SLOW)) | st.sampled_from(ODD_KEYS))
    value = draw(st.sampled_from(NUMBERS) | st.sampled_from(SHAPES) | st.sampled_from(TEXTS) | st.text(max_size=4))
    chosen = (
        {"study": "mine"}
        | (TINY | HERE if command in PLANNED else {})
        | ({"output": "off"} if command == "report" else {})
    )
    option = option_with(key) if command in PLANNED else []
    usual = [
        f"{name}={one}" for name, one in chosen.items() if name not in (key, *(one.partition("=")[0] for one in option))
    ]
    positional = ["0"] if command == "why" else []
    return [command, *positional, *usual, *option, f"{key}={value}"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None, own_logging: None) -> Path:
    """A folder with the rows of one study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as `main` leaves it
    monkeypatch.setattr(sys, "argv", sys.argv)
    words = [f"{key}={value}" for key, value in (TINY | HERE | {"study": "mine", "seed": "0,1"}).items()]
    assert run(["sweep", *words])[0] == 0
    return tmp_path


def run(words: list[str]) -> tuple[int, str]:
    """The exit code of a command, and its standard error."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = door.main(words)
    return code, error.getvalue()


@hypothesis.settings(
    max_examples=40,
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
