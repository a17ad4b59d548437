"""`--help`: every key that a command takes, described by its comment in conf/."""

import subprocess
import sys

import pytest
import yaml

from bench import __main__ as door
from bench import catalogue
from bench.commands import COMMANDS, help
from bench.schema import WORDS

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
    written = {key for file in files for key in file} - {"defaults"} - catalogue.PLUMBING
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
    for key in catalogue.command_keys(command):
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
    places = [text.index(words) for words in ("  mixed=", "  hydra/launcher=", "  model=", "  epochs=", "  results=")]
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
