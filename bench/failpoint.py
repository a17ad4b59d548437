"""Kills for tests: BENCH_CRASH_AT=NAME or NAME:N kills the process the Nth time it reaches the failpoint NAME.

In: the environment. Out: nothing, or the end of this process, as abrupt as kill -9. Touches: nothing.
"""

import os
import signal
from collections import Counter

NAMES = (
    "before_write", "after_write", "after_sync", "after_replace",  # of any file in results/, sealed rows too
    "after_lease", "before_release", "after_plan", "between_runs",
)  # fmt: skip

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Kill this process if the environment names this failpoint and this time of reaching it."""
    chosen, _, times = os.environ.get("BENCH_CRASH_AT", "").partition(":")
    if chosen == name:
        _reached[name] += 1
        if _reached[name] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
