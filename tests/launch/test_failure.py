import errno

import pytest
import torch

from bench.launch.failure import failed_row, failure_class


def test_failures_have_classes():
    assert failure_class(torch.OutOfMemoryError()) == "out_of_memory"
    assert failure_class(MemoryError()) == "out_of_memory"
    assert failure_class(OSError(errno.ENOMEM, "Cannot allocate memory")) == "out_of_memory"
    assert failure_class(OSError(errno.ENOSPC, "No space left on device")) == "error"
    assert failure_class(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")) == "out_of_memory"
    assert failure_class(RuntimeError("can't start new thread")) == "out_of_memory"
    assert failure_class(ValueError("out of memory")) == "error"
    assert (
        failure_class(RuntimeError("GET was unable to find an engine to execute this computation")) == "out_of_memory"
    )


def fail_twice(cause):
    """As the end of a capture does."""
    try:
        raise cause
    finally:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_what_ran_out_of_memory_is_seen_behind_the_error_that_followed():
    for cause, failure in ((torch.OutOfMemoryError(), "out_of_memory"), (ValueError("no shape"), "error")):
        with pytest.raises(RuntimeError) as masked:
            fail_twice(cause)
        assert failure_class(masked.value) == failure


def test_a_failed_row_has_the_first_line_of_its_cause_or_else_its_class(runs_of):
    (run,) = runs_of("seed=0")
    row = failed_row(run, "timeout", "\n too slow\nby an hour", "the trace", attempts=2)
    assert (row.id, row.status, row.choices) == (run.id, "failed", run.choices)
    assert {
        "class": "timeout",
        "cause": "too slow",
        "traceback": "the trace",
        "attempts": 2,
    }.items() <= row.error.items()
    assert failed_row(run, "timeout", "").error["cause"] == "timeout"
