"""How a failed run is recorded.

In: an exception. Out: a class of failure, a row. Touches: nothing.
"""

import errno
import platform
from collections.abc import Iterator
from typing import Any

from bench.machine import environment
from bench.schema import FAILED, Row, Run

OUT_OF_MEMORY, ERROR = "out_of_memory", "error"

# How errors of other kinds report missing memory: torch's, oneDNN's, cuDNN's, the system's (a stack, a library).
WORDS_OF_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED"),
    *("could not create a primitive", "could not create a memory object"),
    *("unable to find an engine", "Unable to find a valid cuDNN algorithm"),  # each needs more memory than is free
    *("Storage size calculation overflowed", "can't start new thread", "failed to map segment"),
)


def failed_row(run: Run, failure: str, cause: str, trace: str = "", **known: Any) -> Row:
    """The row of a run that failed; `failure` is one of FAILURES."""
    cause = first_line(cause) or failure
    error = {"class": failure, "cause": cause, "traceback": trace, "attempts": 1, "node": platform.node(), **known}
    return Row(run.id, run.study, FAILED, run.choices, environment=environment.describe(), error=error)


def failure_class(raised: BaseException) -> str:
    """The class of failure of an exception: out_of_memory or error.

    The capture of a graph that runs out of memory raises another error, while it handles that one.
    """
    return OUT_OF_MEMORY if any(map(_of_memory, _causes(raised))) else ERROR


def _causes(raised: BaseException | None) -> Iterator[BaseException]:
    """The exception, and each that was being handled when the one before was raised."""
    while raised:
        yield raised
        raised = raised.__cause__ or raised.__context__


def _of_memory(raised: BaseException) -> bool:
    # torch's own is known by its name: importing torch may be what does not fit
    plain = isinstance(raised, MemoryError) or type(raised).__name__ == "OutOfMemoryError"
    refused = getattr(raised, "errno", None) == errno.ENOMEM
    reported = isinstance(raised, RuntimeError | ImportError) and any(words in str(raised) for words in WORDS_OF_MEMORY)
    return plain or refused or reported


def first_line(text: str) -> str:
    """The first line of a text."""
    return text.strip().partition("\n")[0]
