import hashlib
from typing import Any

from bench.schema import Row


def row(
    initializer: str = "he_normal",
    seed: int = 0,
    accuracy: float | None = 0.9,
    status: str = "ok",
    environment: dict[str, Any] | None = None,
    **choices: Any,
) -> Row:
    """A row as a training run leaves it; dotted choices are spelled with two underscores."""
    chosen = {
        "task": "train",
        "epochs": 6,
        "batch_size": 64,
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
    measures = {
        "test_accuracy": accuracy if status == "ok" else None,
        "first_epoch_accuracy": 0.5 if status == "ok" else None,
        "seconds": 2.0,
    }
    id = hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:16]
    known = {"test_images": 360, "classes": 10} if environment is None else environment
    return Row(id=id, study="test", status=status, choices=chosen, measures=measures, environment=known)
