"""`status`, asked while processes train."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bench.rows.store import PLAN, Store
from bench.schema import DIVERGED, OK, PREEMPTED, Row, Run


def run(seed):
    return Run("mine", {"task": "train", "model": "resnet20", "initializer": "he_normal", "seed": seed})


def row(seed, status, seconds=None):
    return Row(run(seed).id, "mine", status, run(seed).choices, {"seconds": seconds})


@pytest.fixture
def store(tmp_path):
    """Six runs: one ok, one diverged, one preempted, three without a row."""
    store = Store(tmp_path / "results", "mine")
    store.write_plan(run(seed).id for seed in range(6))
    store.write(row(0, OK, 10.0))
    store.write(row(1, DIVERGED, 20.0))
    store.write(row(2, PREEMPTED, 1.0))
    return store


@pytest.fixture
def status(tmp_path):
    def status(*words):
        command = [sys.executable, "-m", "bench", "status", "study=mine", *words]
        return subprocess.check_output(command, cwd=tmp_path, text=True, stderr=subprocess.STDOUT)

    return status


def test_status_says_what_is_done_what_runs_where_and_how_long_the_rest_takes(store, status):
    leases = store.leases(600)
    with leases.held(run(3).id, "resnet20 seed 3"), leases.held(run(0).id, "its row is there already"):
        time.sleep(0.1)
        said = json.loads(status("format=json"))
        text = status()
    assert [said[key] for key in ("total", "done", "left", "ok", "diverged", "failed", "preempted")] == [
        6,
        2,
        4,
        1,
        1,
        0,
        1,
    ]
    (running,) = said["running"]
    assert (running["id"], running["run"], running["pid"]) == (run(3).id, "resnet20 seed 3", os.getpid())
    assert running["seconds"] >= 0.1
    assert said["seconds_left"] == 4 * 15.0
    assert f"process {os.getpid()}" in text
    assert "about 60 s to go" in text


def test_status_of_a_sweep_that_was_killed_says_that_nothing_runs(store, status):
    with store.leases(600).held(run(3).id):
        path = store.folder / "leases" / run(3).id
        path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "of a process that is gone"}))
        said, text = json.loads(status("format=json")), status()
    assert (said["running"], said["seconds_left"]) == ([], None)
    assert "nothing runs; the same sweep again does what is left" in text


def test_status_changes_nothing_and_brings_no_torch(store, tmp_path):
    victim = store.folder / f"{run(0).id}.json"
    victim.write_text("{")
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    code = (
        "import sys; from bench.__main__ import main; code = main(['status', 'study=mine']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before


def test_status_of_a_finished_study_has_no_more_to_say(store, status):
    for seed in range(2, 6):
        store.write(replace(row(seed, OK, 5.0)))
    assert len(status().strip().splitlines()) == 1
    assert "6 done (5 ok, 1 diverged, 0 failed), 0 left" in status()


def test_status_of_committed_rows_says_that_no_sweep_planned_them(store, status):
    (store.folder / PLAN).unlink()
    assert status() == "study mine: 3 rows; no sweep here has planned any runs of it\n"
    assert json.loads(status("format=json"))["total"] == 0
