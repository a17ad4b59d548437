import pytest

from bench.launch.progress import Progress, minutes
from bench.rows.store import Store
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, Run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "mine")


RUNS = [Run("mine", {"seed": seed}) for seed in range(6)]


def write(store, seed, status):
    store.write(Row(RUNS[seed].id, "mine", status, RUNS[seed].choices))


def test_progress_counts_what_has_finished_since_it_began_whoever_did_it(store, capsys):
    write(store, 0, OK)
    with Progress(store, RUNS, RUNS[1:]) as progress:
        assert "1 of 6 runs done, 5 left" in progress.text()
        for seed, status in enumerate((OK, DIVERGED, FAILED, PREEMPTED), start=1):
            write(store, seed, status)
        assert progress.look() == {RUNS[1].id: OK, RUNS[2].id: DIVERGED, RUNS[3].id: FAILED}
        assert progress.text().startswith("4 of 6 runs done, 2 left, 1 diverged, 1 failed, about ")
    assert capsys.readouterr().err.splitlines()[-1].startswith("4 of 6 runs done")


def test_progress_promises_nothing_before_anything_has_finished(store):
    assert "to go" not in Progress(store, RUNS, RUNS).text()


@pytest.mark.parametrize(("seconds", "told"), [(89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")])
def test_a_duration_is_told_in_the_unit_that_fits(seconds, told):
    assert minutes(seconds) == told


def test_a_first_run_that_is_half_done_counts_as_half_a_run(store, monkeypatch):
    leases = store.leases(600.0)
    progress = Progress(store, RUNS, RUNS)
    monkeypatch.setattr("bench.launch.progress.time.monotonic", lambda: progress.started + 100.0)
    with leases.held(RUNS[0].id), leases.held(RUNS[1].id):
        leases.mark(RUNS[0].id, 0.75)
        leases.mark(RUNS[1].id, 0.25)
        progress.look()
        progress.at_first.clear()  # both began with this sweep
        assert (
            progress.text() == "0 of 6 runs done, 6 left, 2 under way at 50 %, 0 diverged, 0 failed, about 8 min to go"
        )
    progress.look()
    assert "under way" not in progress.text()  # their processes have let go of them


def test_what_a_checkpoint_brings_is_no_pace_of_this_sweep(store):
    leases = store.leases(600.0)
    progress = Progress(store, RUNS, RUNS)
    with leases.held(RUNS[0].id):
        leases.mark(RUNS[0].id, 0.9)
        progress.look()
        assert "1 under way at 90 %" in progress.text()
        assert "to go" not in progress.text()
