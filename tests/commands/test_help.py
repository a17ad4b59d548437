"""`--help`: every key that a command takes, described by its comment in conf/."""

import subprocess
import sys

import pytest
import yaml

from bench import __main__ as door
from bench import catalogue
from bench.commands import COMMANDS, dispatch, help
from bench.machine.settings import Options, Settings
from bench.rows.store import Store
from bench.schema import OK, WORDS, Row, Run

COLUMNS = 100


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


@pytest.fixture
def say(terminal, capsys):
    """What a command prints; its exit code is 0."""

    def say(*words):
        assert door.main(words) == 0
        return capsys.readouterr().out

    return say


def top(keys):
    return {key.partition(".")[0] for key in keys}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_of_a_command_has_a_comment(command):
    """A key without one is in no help, so the yaml files and the help are compared."""
    listed = {key.name for key in catalogue.command_keys(command)}
    files = [catalogue.load(catalogue.CONF / f"{file}.yaml") for file in catalogue.files_of(command)]
    written = {catalogue.TYPED.get(key, key) for file in files for key in file} - {"defaults"} - catalogue.PLUMBING
    groups = {key for file in files for entry in file["defaults"] if isinstance(entry, dict) for key in entry}
    written |= {key for key in groups if not key.startswith("override ")}
    assert top(listed) >= written
    for file in catalogue.files_of(command):
        inside = {key.name for key in catalogue.described(catalogue.CONF / f"{file}.yaml")}
        assert {key for key in inside if not key.startswith("hydra/")} <= listed
    for group in {"task", "tracking"} & listed:
        (default,) = (key.default for key in catalogue.command_keys(command) if key.name == group)
        option = catalogue.options(group)[default]
        assert {key.rpartition(".")[2] for key in listed} >= set(catalogue.arguments(option))


@pytest.mark.parametrize("file", sorted(catalogue.CONF.glob("t*/*.yaml")), ids=lambda file: file.name)
def test_every_argument_of_a_task_or_a_tracking_has_a_comment(file):
    for key in catalogue.described(file):
        assert key.about or key.name.rpartition(".")[2] in catalogue.ABOUT, f"{file.name}: {key.name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_each_key_with_its_default_and_fits_the_terminal(say, command):
    text = say(command, "--help")
    words = " ".join(text.split())
    assert text.startswith(f"usage: python -m bench {command}")
    for key in help.keys_of(command):
        assert f" {help.typed(key)} {key.about}" in words
    paths = [line for line in text.splitlines() if "=[" in line or '="' in line]  # a default is never broken
    assert all(len(line) <= COLUMNS for line in text.splitlines() if line not in paths)
    assert say("help", command) == say(command, "-h") == text


def test_defaults_in_help_are_those_that_a_command_composes(bench):
    for command in ("sweep", "run", "speed", "sync", "doctor"):
        configuration = yaml.safe_load(bench(command, "--cfg", "job").stdout)
        for key in catalogue.command_keys(command):
            value = configuration
            for part in key.name.split("."):
                value = value.get(part, {}) if isinstance(value, dict) else None
            if key.name == "study" or key.name in (*WORDS, "tracking"):
                value = value["name"]
            elif key.name.startswith(("study.", "hydra/")):
                continue  # the study replaces the former, and Hydra keeps the latter to itself
            assert value == key.default, (command, key.name)


def test_the_keys_of_a_command_come_first_then_those_of_a_run_then_the_settings(say):
    text = say("verify", "--help")
    places = [text.index(words) for words in ("  mixed=", "  model=", "  epochs=", "  results=")]
    assert places == sorted(places)
    assert "overrides" not in text
    assert "where.KEY=VALUE" in say("report", "--help")
    assert "studies=" not in say("report", "--help")


def test_help_names_the_options_of_a_group_also_those_of_the_user(say, tmp_path):
    (tmp_path / "schedule").mkdir()
    (tmp_path / "schedule" / "sawtooth.yaml").write_text("name: sawtooth\n")
    assert "constant, cosine, one_cycle, sawtooth, step" in " ".join(
        say("sweep", "--config-dir", str(tmp_path), "--help").split()
    )
    assert "`python -m bench list initializer`: " in " ".join(say("sweep", "--help").split())


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_of_help_is_wider_than_the_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = [*map(help.command_help, COMMANDS), help.overview()]
    longest = max("\n".join(shown).splitlines(), key=len)
    assert len(longest) <= max(columns, 77), longest  # an example is not broken


@pytest.fixture
def read(monkeypatch):
    """The keys of the settings that the last command has read since they were checked."""
    found, settings_of = set(), dispatch.settings_of

    def reading(function, config):
        settings = settings_of(function, config)
        found.clear()
        return settings

    def watched(self, name):
        if one := type(self).__dataclass_fields__.get(name):
            group = "" if isinstance(self, Settings) else f"{type(self).__name__.lower()}."
            found.add(f"{group}{one.metadata.get('key', name)}")
        return object.__getattribute__(self, name)

    monkeypatch.setattr(dispatch, "settings_of", reading)
    monkeypatch.setattr(Options, "__getattribute__", watched)
    return lambda: {"study" if key == "study.name" else key for key in found - {"study"}}


@pytest.mark.parametrize(
    "words",
    [
        ["status", "study=mine"],
        ["report", "study=mine", "output=off"],
        ["list"],
        ["seal", "study=mine"],
        ["merge", "elsewhere", "study=mine"],
        ["coverage", "simulations=200", "n=3", "shape=normal"],
    ],
    ids=lambda words: words[0],
)
def test_help_lists_the_settings_that_a_command_reads_and_no_other(bench, read, tmp_path, words):
    choices = {"task": "train", "model": "resnet8", "initializer": "he_normal", "dataset": "digits", "seed": 0}
    measures = {"test_accuracy": 0.9, "validation_accuracy": 0.9, "first_epoch_accuracy": 0.5, "seconds": 1.0}
    environment = {"test_images": 360, "classes": 10}
    for results in ("results", "elsewhere"):
        row = Row(Run("mine", choices).id, "mine", OK, choices, measures, [], environment)
        Store(tmp_path / results, "mine").write(row)
    bench(*words)
    shared = {key.name for key in catalogue.command_keys("settings")}
    listed = {key.name for key in help.keys_of(words[0])} & shared
    off_the_command_line = {"study"} if words[0] == "merge" else set()
    assert listed == read() & shared | off_the_command_line


def test_help_imports_neither_torch_nor_hydra(tmp_path):
    code = (
        "import sys; from bench.__main__ import main; code = main(['sweep', '--help']) or main([]) or main(['help']);"
        "sys.exit(code or bool({'torch', 'hydra', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)


def test_help_on_an_unknown_command_names_the_nearest(terminal, capsys):
    assert door.main(["help", "swep"]) == 2
    assert "did you mean sweep" in capsys.readouterr().err


def test_version_prints_the_version(say):
    from bench import __version__

    assert say("--version") == f"initbench {__version__}\n"
