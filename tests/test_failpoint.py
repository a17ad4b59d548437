import signal
import subprocess
import sys

import pytest

CODE = """
from bench import failpoint
for number in range(3):
    print(number, flush=True)
    failpoint.reach("after_write")
"""


@pytest.mark.parametrize(
    ("crash_at", "printed"), [("after_write", 1), ("after_write:2", 2), ("after_write:9", 3), ("", 3)]
)
def test_the_process_is_killed_the_nth_time_it_reaches_the_failpoint(monkeypatch, crash_at, printed):
    monkeypatch.setenv("BENCH_CRASH_AT", crash_at)
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert len(done.stdout.split()) == printed
    assert done.returncode == (-signal.SIGKILL if printed < 3 else 0)
