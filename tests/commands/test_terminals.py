"""Commands whose output goes to an odd place: another encoding, a full disk, nobody."""

import json
import os
import subprocess
import sys

import pytest

from bench import catalogue
from bench.rows.store import Store
from bench.schema import OK

TINY = (
    "sweep study=mine model=resnet8 model.width=4 dataset=synthetic steps=1 batch_size=16 seed=0,1 tracking=off "
    "processes=1 packing=1"
)
FULL = "bench: cannot write the output: No space left on device\n"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A command in a shell: its exit code, and what it printed on both streams."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    def shell(line, **variables):
        command = ["bash", "-c", f"{sys.executable} -m bench {line}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, env={**os.environ, **variables})
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return shell


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_terminal_that_is_not_utf_8_gets_every_answer(shell, encoding):
    code, out, _ = shell("list initializer format=json", PYTHONIOENCODING=encoding)
    assert code == 0
    laws = {one["name"]: one["law"] for one in json.loads(out.decode(encoding))["initializer"]}
    assert laws == {name: option["law"] for name, option in catalogue.options("initializer").items()}


@pytest.mark.parametrize("line", ["list", "--version", "sweep --help", "sweep --cfg job"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_finds_no_room_is_a_mistake(shell, line, unbuffered):
    assert shell(f"{line} >/dev/full", PYTHONUNBUFFERED=unbuffered) == (2, b"", FULL.encode())


@pytest.mark.parametrize(
    ("line", "code"), [("list >&-", 0), ("--version >&-", 0), ("status 2>&-", 2), ("status 2>/dev/full", 2)]
)
def test_nothing_is_said_to_nobody(shell, line, code):
    assert shell(line) == (code, b"", b"")


@pytest.mark.parametrize(
    "streams",
    [
        ">/dev/full 2>/dev/full",
        "hydra/launcher=basic <&- >&- 2>&-",
        "hydra/launcher=basic 2>&1 | true; exit ${PIPESTATUS[0]}",
    ],
)
def test_a_sweep_whose_output_finds_no_room_trains_and_keeps_its_rows(shell, tmp_path, streams):
    assert shell(f"{TINY} {streams}") == (0, b"", b"")
    assert [row.status for row in Store(tmp_path / "results", "mine").read().rows.values()] == [OK] * 2
