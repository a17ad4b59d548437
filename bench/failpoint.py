"""Kills for tests: BENCH_CRASH_AT=NAME or NAME:N kills the process where it passes the point NAME for the Nth time.

In: the environment. Out: nothing, or the end of this process, as abrupt as kill -9. Touches: nothing.
"""

import os
import signal
from collections import Counter

POINTS = (
    "before_write", "after_write", "after_sync", "after_replace",  # of any file in results/, sealed rows too
    "after_claim", "before_release", "after_plan", "between_runs",
)  # fmt: skip

_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """Die here if the environment says so."""
    wished, _, times = os.environ.get("BENCH_CRASH_AT", "").partition(":")
    if wished == name:
        _passed[name] += 1
        if _passed[name] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
