import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from bench.schema import OK, Row, Run


def make_row(
    initializer: str = "he_normal",
    seed: int = 0,
    accuracy: float | None = 0.9,
    status: str = "ok",
    environment: dict[str, Any] | None = None,
    **choices: Any,
) -> Row:
    """A row as a training run leaves it; a dotted choice is spelled with two underscores, optimizer__learning_rate."""
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
    return Row(
        id=hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:16],
        study="test",
        status=status,
        choices=chosen,
        measures={
            "test_accuracy": accuracy if status == "ok" else None,
            "first_epoch_accuracy": 0.5 if status == "ok" else None,
            "seconds": 2.0,
        },
        environment={"test_images": 10_000, "classes": 10} if environment is None else environment,
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
