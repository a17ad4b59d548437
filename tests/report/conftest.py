import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.machine.settings import Settings
from bench.report import Summary, summarize_study
from bench.report.analysis.rules import Margin, Rules
from bench.schema import OK, Row, Run

if TYPE_CHECKING:
    from bench.report.paper.build import Sources

ABOUT = {
    "name": "mine",
    "law": "two arms in two blocks",
    "source": "a test",
    "question": ["he_normal", "fixup"],
    "looks": [],
}
OPTIONS = {
    "initializer": {
        "he_normal": {"law": "N(0, 2/n_in)", "source": "He et al. 2015, eq. 10"},
        "fixup": {"law": "its own", "source": "Zhang, Dauphin & Ma 2019"},
    }
}


def make_row(
    initializer: str = "he_normal",
    seed: int = 0,
    accuracy: float | None = 0.9,
    status: str = "ok",
    environment: dict[str, Any] | None = None,
    validation_accuracy: float | None = None,
    correct: str | None = None,
    **choices: Any,
) -> Row:
    """A row as a training run leaves it; a dotted choice is spelled with two underscores, optimizer__learning_rate.

    The validation accuracy is the test accuracy unless it is given.
    """
    chosen = {
        "task": "train",
        "epochs": 6,
        "model": "resnet20",
        "model.depth": 20,
        "normalization": "batch",
        "activation": "relu",
        "dataset": "digits",
        "optimizer": "sgd",
        "optimizer.learning_rate": 0.05,
        "initializer": initializer,
        "seed": seed,
        **{key.replace("__", "."): value for key, value in choices.items()},
    }
    reached = {
        "test_accuracy": accuracy,
        "validation_accuracy": accuracy if validation_accuracy is None else validation_accuracy,
        "first_epoch_accuracy": 0.5,
    }
    return Row(
        id=hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:16],
        study="test",
        status=status,
        choices=chosen,
        measures={**(reached if status == "ok" else dict.fromkeys(reached)), "seconds": 2.0},
        environment={"test_images": 10_000, "classes": 10} if environment is None else environment,
        correct=correct,
        error={"class": "error", "cause": "boom", "traceback": "..."} if status == "failed" else None,
    )


@pytest.fixture(name="row")
def _row() -> Callable[..., Row]:
    return make_row


@pytest.fixture(name="arm")
def _arm() -> Callable[..., list[Row]]:
    """Rows of one arm: `arm("he_normal", [0.9, 0.91])` has the seeds 0 and 1."""

    def make(initializer: str, accuracies: list[float], **settings: Any) -> list[Row]:
        return [make_row(initializer, seed, accuracy, **settings) for seed, accuracy in enumerate(accuracies)]

    return make


def make_case(method="t", n=5, shape="normal", covered=0.95, level=0.95, values=None) -> Row:
    """A row as `python -m bench coverage` leaves it."""
    choices = {"task": "coverage", "method": method, "n": n, "shape": shape, "level": level, "simulations": 1000}
    measures = {"coverage": covered, "coverage_low": covered - 0.01, "coverage_high": covered + 0.01}
    measures |= {"judged": 1000, "mean_width": 1.0, "median_width": 1.0, "values": n if values is None else values}
    return Row(Run("coverage", choices).id, "coverage", OK, choices, measures)


@pytest.fixture(name="case")
def _case():
    return make_case


@pytest.fixture
def rules() -> Rules:
    """A margin of 1 point, a rate margin and a line of 10 %, no question, no looks."""
    return Rules(Margin(points=1.0), rate_margin=0.1, line=0.1)


@pytest.fixture
def make_study(settings: Settings) -> Callable[..., Summary]:
    """The summary of a study's rows, as the command `report` makes it."""

    def make(rows: Iterable[Row], **about: Any) -> Summary:
        return summarize_study(rows, replace(settings, study=replace(settings.study, **ABOUT | about)))

    return make


@pytest.fixture
def study(make_study: Callable[..., Summary], arm: Callable[..., list[Row]], row: Callable[..., Row]) -> Summary:
    """Two blocks: with relu he_normal is far ahead and one run of fixup diverged; with tanh nobody can tell."""
    return make_study(
        [
            *arm("he_normal", [0.9, 0.91, 0.92, 0.9, 0.91, 0.9]),
            *arm("fixup", [0.4, 0.42, 0.41, 0.4, 0.42]),
            row("fixup", 5, status="diverged"),
            *arm("he_normal", [0.5, 0.9, 0.7, 0.6, 0.8, 0.7], activation="tanh"),
            *arm("fixup", [0.8, 0.6, 0.55, 0.9, 0.7, 0.75], activation="tanh"),
        ]
    )


@pytest.fixture
def sources() -> "Sources":
    """The template and the references of the house, and two initializers that conf/ knows."""
    from bench.report.paper.build import Sources

    return Sources(lambda word: OPTIONS.get(word, {}))
