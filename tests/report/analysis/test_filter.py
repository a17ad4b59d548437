from collections.abc import Callable

import pytest

from bench.report.analysis.filter import kept
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]


@pytest.fixture
def rows(arm: MakeArm) -> list[Row]:
    return [
        *arm("he_normal", [0.9, 0.8], dataset__flip=True),
        *arm("fixup", [0.9], activation="tanh", dataset__flip=False),
        *arm("fixup", [0.9], optimizer__learning_rate=0.1, dataset__flip=False),
    ]


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ([], 4),
        (["activation=relu"], 3),
        (["activation=relu,tanh"], 4),
        (["optimizer.learning_rate=0.1"], 1),
        (["dataset.flip=true"], 2),
        (["activation=relu", "initializer=fixup"], 1),
    ],
)
def test_the_runs_that_meet_every_condition_stay(rows: list[Row], conditions: list[str], count: int) -> None:
    assert len(kept(rows, conditions)) == count


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        (["activaton=relu"], "no choice of these runs is named 'activaton'; did you mean activation"),
        (["activation=gelu"], "no run has activation=gelu; there are relu, tanh"),
        (["activation=tanh", "initializer=he_normal"], "no run has initializer=he_normal; there are fixup"),
        (["activation"], "no run has activation=; there are relu, tanh"),
    ],
)
def test_a_condition_that_no_run_meets_is_told(rows: list[Row], conditions: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        kept(rows, conditions)
