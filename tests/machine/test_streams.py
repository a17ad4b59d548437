import io
import json
import os
import subprocess
import sys

import pytest

from bench.machine import streams


@pytest.fixture
def out(monkeypatch):
    """Standard output as the given encoding has it; what was written."""

    def out(encoding):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
        streams.make_safe()
        return written

    return out


@pytest.fixture(autouse=True)
def own_error_stream(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "σ² ü 😀 \\udcff"),
        ("latin-1", "\\u03c3² ü \\ud83d\\ude00 \\udcff"),
        ("cp437", "σ² ü \\ud83d\\ude00 \\udcff"),
        ("ascii", "\\u03c3\\u00b2 \\u00fc \\ud83d\\ude00 \\udcff"),
    ],
)
def test_a_character_that_the_terminal_does_not_have_is_an_escape(out, encoding, shown):
    written = out(encoding)
    print("σ² ü 😀 \udcff", flush=True)
    assert written.getvalue().decode(encoding) == f"{shown}\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_character_in_a_name_moves_the_cursor_of_a_terminal(monkeypatch, stream):
    written = io.StringIO()
    monkeypatch.setattr(sys, stream, written)
    streams.make_safe()
    print("a\x1b[2Jb\x08\x7f\x9b\tc\rd", file=getattr(sys, stream))
    assert written.getvalue() == "a\\u001b[2Jb\\u0008\\u007f\\u009b\tc\rd\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1", "utf-8"])
def test_json_says_the_same_in_every_encoding(out, encoding):
    written = out(encoding)
    print(json.dumps("σ² ü 😀", ensure_ascii=False), flush=True)
    assert json.loads(written.getvalue().decode(encoding)) == "σ² ü 😀"


@pytest.mark.parametrize("buffering", [1, 4096])
def test_what_standard_error_cannot_take_is_dropped(monkeypatch, buffering):
    with open("/dev/full", "w", buffering) as full:
        monkeypatch.setattr(sys, "stderr", full)
        streams.make_safe()
        print("x" * 100_000, file=sys.stderr, flush=True)
        assert sys.stderr.fileno() == full.fileno()
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.write("x" * 100_000)
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # else it could not be closed


def test_standard_output_raises_what_it_cannot_take_until_it_is_discarded(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        streams.make_safe()
        with pytest.raises(OSError, match="No space left"):
            print("x", flush=True)
        streams.discard_output()
        print("x", flush=True)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path, closed):
    code = (
        "from bench.machine import streams; streams.make_safe()\n"
        "import subprocess, sys\n"
        "file = open('file', 'w')\n"
        "print(file.fileno() > 2, file=file, flush=True)\n"
        "print('to nobody', flush=True); print('to nobody', file=sys.stderr)\n"
        "subprocess.run(['sh', '-c', 'echo to nobody; echo to nobody >&2'], check=True)\n"
        "print(sys.stdin.read() == '', file=file)\n"
    )
    command = ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (tmp_path / "file").read_text() == "True\nTrue\n"
