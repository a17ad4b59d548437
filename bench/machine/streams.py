"""The standard streams: no character and no full disk behind them ends a process.

In: the streams as Python has opened them. Out: the same, made safe. Touches: sys.stdout, sys.stderr, and the file
descriptors 0 to 2 where they are closed.
"""

import codecs
import contextlib
import io
import os
import sys
from typing import Any, TextIO, cast

ESCAPE = "bench.escape"  # the name of an error handler
CONTROLS = {code: f"\\u{code:04x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\r\t"}


def make_safe() -> None:
    """Make the standard streams of this process safe; a second call changes nothing.

    A character that a stream cannot encode, or that may move the cursor of a terminal, such as one in the name of a
    file, is written as the escape that JSON has for it. What standard error cannot take is dropped. An error of
    standard output is raised as before: it may be all that a command is for.
    """
    _open_closed()
    codecs.register_error(ESCAPE, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)
    if not isinstance(sys.stdout, _Printable):
        sys.stdout = cast(TextIO, _Printable(sys.stdout))
    if not isinstance(sys.stderr, _Unfailing):
        sys.stderr = cast(TextIO, _Unfailing(sys.stderr))


def discard_output() -> None:
    """Discard what standard output still holds, and all that is written to it from now on."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Printable:
    """A text stream that writes control characters as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._stream.write(text.translate(CONTROLS))
        return len(text)


class _Unfailing(_Printable):
    """Such a stream whose errors are dropped."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _open_closed() -> None:
    """Open what the parent has closed: a file that took its number would get what is meant for the stream."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = [units[place : place + 2] for place in range(0, len(units), 2)]
    return "".join(f"\\u{int.from_bytes(pair):04x}" for pair in pairs), error.end
