"""The time and memory of one of our commands in its own process.

In: its words. Out: seconds, bytes. Touches: processes, a temporary file.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from bench.schema import UserError


def timed(words: Sequence[str]) -> dict[str, float]:
    """Seconds of the wall clock and of the processor, and bytes of peak memory, of `python -m WORDS`.

    Its output is dropped. Raises UserError with its last line of standard error when it fails.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        error = errors.read().strip().rpartition("\n")[2]
    if process.returncode:
        raise UserError(f"`python -m {' '.join(words)}` ended with exit code {process.returncode}: {error}")
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),  # macOS counts bytes
    }
