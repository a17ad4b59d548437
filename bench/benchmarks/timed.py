"""One of our commands as a process of its own, timed.

In: its words. Out: seconds, memory. Touches: processes, a temporary file.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from bench.schema import UserError


def timed(words: Sequence[str]) -> dict[str, float]:
    """What `python -m WORDS` takes: seconds of the wall clock and of the processor, and the bytes of its peak memory.

    What it prints is dropped. Raises UserError, with the last line that it wrote to standard error, when it fails.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().strip().rpartition("\n")[2]
    if process.returncode:
        raise UserError(f"`python -m {' '.join(words)}` ended with exit code {process.returncode}: {said}")
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),  # macOS counts bytes
    }
