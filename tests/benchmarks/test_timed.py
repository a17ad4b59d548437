import pytest

from bench.benchmarks.timed import timed
from bench.schema import UserError


def test_a_command_is_timed_as_a_process_of_its_own():
    cost = timed(["bench", "--help"])
    assert cost["seconds"] > 0
    assert cost["processor_seconds"] > 0
    assert cost["peak_memory_bytes"] > 2**20


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bench", "swep"], "`python -m bench swep` ended with exit code 2: bench: no command is named"),
        (
            ["bench", "report", "study=nothing", "results=nowhere"],
            "ended with exit code 2: bench: study nothing has no",
        ),
    ],
)
def test_a_command_that_fails_is_a_mistake(words, told):
    with pytest.raises(UserError, match=told):
        timed(words)
