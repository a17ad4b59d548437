"""A wish to stop, heard in this process, and in a real one that trains."""

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from bench.rows.store import Store
from bench.schema import OK, PREEMPTED
from bench.train import stop
from bench.train.contract import task_of

WORKER = """
import json, sys
import torch
from pathlib import Path
from bench.rows.store import Store
from bench.train import stop
from bench.train.contract import task_of
from bench.schema import Checkpointing, Interval, Machine, Run

run, results = Run(**json.loads(sys.argv[1])), Path(sys.argv[2])
torch.set_num_threads(1)
stop.listen()
[row] = task_of(run).perform([run], Machine("cpu", 1, results, False, Checkpointing(results, Interval(epochs=1))))
Store(results, run.study).write(row)
sys.exit(int(stop.requested()))
"""
COSTS = {"seconds", "images_per_second", "peak_memory_bytes"}


@pytest.fixture
def listening(monkeypatch):
    """Handlers and wishes as they were before, once a test is over."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    monkeypatch.setattr(stop, "_received", [])
    stop.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_each_signal_is_a_request_to_stop(listening, number):
    assert not stop.requested()
    signal.raise_signal(number)
    assert stop.requested()


def test_a_second_interrupt_interrupts_and_a_second_notice_does_not(listening):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stop._received[0] == signal.SIGTERM


def test_listening_in_another_thread_than_the_main_one_changes_nothing():
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    raised = []

    def listen():
        try:
            stop.listen()
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert raised == []
    assert {number: signal.getsignal(number) for number in stop.SIGNALS} == before


@pytest.fixture
def worker(tmp_path):
    """Start a process that trains a run and writes its row."""
    processes = []

    def start(run):
        command = [sys.executable, "-c", WORKER, json.dumps(asdict(run)), str(tmp_path)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def results(row):
    return {key: value for key, value in row.measures.items() if key not in COSTS}, row.curve


SLOW = [pytest.param(number, marks=pytest.mark.slow) for number in stop.SIGNALS if number != signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGTERM, *SLOW])
def test_a_signalled_process_leaves_a_preempted_row_and_the_next_one_goes_on_exactly(
    runs_of, machine, worker, tmp_path, number
):
    (run,) = runs_of("dataset=synthetic", "model=resnet8", "model.width=4", "epochs=24", "batch_size=32")
    process = worker(run)
    while process.poll() is None and not list(tmp_path.glob("mine/checkpoints/*.pt")):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 1, process.stderr.read()
    row = Store(tmp_path, "mine").read().rows[run.id]
    assert row.status == PREEMPTED
    assert 0 < row.measures["steps"] < 24 * 8
    assert worker(run).wait(60) == 0
    row = Store(tmp_path, "mine").read().rows[run.id]
    assert (row.status, row.environment["preemptions"]) == (OK, 1)
    assert results(row) == results(task_of(run).perform([run], machine)[0])
