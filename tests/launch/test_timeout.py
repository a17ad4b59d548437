import signal
import subprocess
import sys
import time

import pytest

from bench.launch.timeout import limited
from bench.train import stop


@pytest.fixture(autouse=True)
def nothing_wished(monkeypatch):
    monkeypatch.setattr(stop, "_received", [])


def test_no_limit_is_none(tmp_path):
    with limited(None, 1, tmp_path / "nowhere" / "trace") as over:
        assert not over()


def test_what_takes_too_long_is_asked_to_stop_and_what_comes_after_it_is_not(tmp_path):
    with limited(0.001, 1, tmp_path / "trace") as over:
        assert not stop.requested()
        while not stop.requested():
            time.sleep(0.001)
    assert over()
    assert not stop.requested()
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_in_time_is_left_alone(tmp_path):
    with limited(0.002, 1, tmp_path / "trace") as over:
        pass
    time.sleep(0.2)
    assert not over()
    assert not stop.requested()
    assert list(tmp_path.iterdir()) == []


def test_another_wish_outlives_a_limit(tmp_path):
    with limited(10, 1, tmp_path / "trace"):
        stop.request(signal.SIGTERM)
    assert stop.requested()


def test_what_does_not_hear_the_wish_takes_its_process_along_and_leaves_its_traceback(tmp_path):
    code = (
        "import itertools, sys; from pathlib import Path; from bench.launch import timeout; timeout.GRACE_S = 0.1\n"
        "def hang():\n"
        "    sum(itertools.repeat(0))\n"
        "with timeout.limited(0.002, 1, Path(sys.argv[1])):\n"
        "    hang()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "trace")], check=False, timeout=30)
    assert ended.returncode == 1
    assert "in hang" in (tmp_path / "trace").read_text()
