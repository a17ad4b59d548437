"""The whole sweep of the baseline as a script: digits, one run after the other, a table of mean test accuracies.

In: a file of runs, as JSON. Out: text. Touches: what plain.py touches; no file.

`python -m bench.benchmarks.speed.script FILE`. Weights are drawn by torch.nn.init. Evaluation uses no
workers: their start would take longer than a few hundred images.
"""

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, ToTensor

from bench.benchmarks.speed.plain import EVALUATION_BATCH, Images, Training, augmented, loader, normalise
from bench.benchmarks.speed.work import model_of
from bench.schema import Run, UserError

SHAPE, CLASSES = (1, 8, 8), 10  # of the digits
WHITE = 16  # the highest of their grey levels


def tf_variance_scaling(weight: Tensor) -> None:
    """TensorFlow's default, which torch.nn.init lacks: N(0, 1/n_in), cut at two standard deviations."""
    std = math.sqrt(1 / weight[0].numel())
    nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std)


# by our name of the law; None: what torch's layers draw when they are made
LAWS: dict[str, Callable[[Tensor], object] | None] = {
    "glorot_normal": nn.init.xavier_normal_,
    "glorot_uniform": nn.init.xavier_uniform_,
    "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "he_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    "tf_variance_scaling": tf_variance_scaling,
    "torch_default": None,
}
HAS = {"dataset": ("digits",), "optimizer": ("sgd",), "schedule": ("cosine",), "initializer": tuple(LAWS)}
USUAL = {"warmup_steps": 0, "label_smoothing": 0.0, "steps": None}


def check(runs: Sequence[Run]) -> None:
    """Raises UserError for runs that this script cannot train as the engine does."""
    for run in runs:
        for word, names in HAS.items():
            if run.choices[word] not in names:
                known = ", ".join(names)
                raise UserError(f"the plain script has no {word} {run.choices[word]}; in sweep=[...] take {known}")
        for key, usual in USUAL.items():
            if run.choices[key] != usual:
                raise UserError(f"the plain script knows no {key}={run.choices[key]}; leave it out of sweep=[...]")
    shared = [{"batch_size": run.choices["batch_size"], **run.arguments("dataset")} for run in runs]
    if any(one != shared[0] for one in shared):
        raise UserError("the plain script reads its data once; in sweep=[...] give batch_size and dataset one value")


@dataclass(frozen=True)
class Loaders:
    """Batches of the three splits."""

    train: Any
    validation: Any
    test: Any


def loaders(data: Mapping[str, Any], batch_size: int, device: str) -> Loaders:
    """The digits, split once into the sizes in `data`, stratified by class."""
    raw = load_digits()
    images, labels = (raw.images * (255 / WHITE)).astype(np.uint8), raw.target.astype(np.int64)
    split = partial(train_test_split, random_state=0)
    images, test, labels, test_labels = split(images, labels, test_size=data["test"], stratify=labels)
    images, held_out, labels, held_out_labels = split(images, labels, test_size=data["validation"], stratify=labels)
    plain = Compose([ToTensor(), normalise(images)])
    return Loaders(
        loader(Images(images, labels, augmented(images, data["crop"], data["flip"])), batch_size, device),
        DataLoader(Images(held_out, held_out_labels, plain), EVALUATION_BATCH),
        DataLoader(Images(test, test_labels, plain), EVALUATION_BATCH),
    )


def initialise(model: nn.Module, law: Callable[[Tensor], object] | None) -> None:
    """The law on every layer, its bias at 0."""
    for module in model.modules():
        if law and isinstance(module, nn.Conv2d | nn.Linear):
            law(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def train(run: Run, data: Loaders, device: str) -> float:
    """Train a run, evaluate it on the validation split after each epoch; its accuracy on the test split.

    NaN for a run whose loss is not finite: it ends with that epoch, as in the engine.
    """
    torch.manual_seed(run.choices["seed"])
    model = model_of(run, SHAPE, CLASSES)
    initialise(model, LAWS[run.choices["initializer"]])
    epochs = run.choices["epochs"]
    training = Training(model, run, epochs * len(data.train), device)
    for _ in range(epochs):
        loss, _ = training.learn(data.train)
        if not math.isfinite(loss):
            return math.nan
        training.accuracy(data.validation)
    return training.accuracy(data.test)


def table(found: Mapping[tuple[str, ...], Sequence[float]]) -> Iterator[str]:
    """A line per arm: its mean test accuracy over seeds."""
    for arm, reached in found.items():
        yield f"{'/'.join(arm):<50} {100 * statistics.fmean(reached):6.2f} %  n={len(reached)}"


def main(file: str, device: str) -> None:
    """Train the runs of the file and print the table."""
    runs = [Run(**one) for one in json.loads(Path(file).read_text(encoding="utf-8"))]
    data = loaders(runs[0].arguments("dataset"), runs[0].choices["batch_size"], device)
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for run in runs:
        arm = tuple(run.choices[word] for word in ("model", "normalization", "activation", "initializer"))
        found[arm].append(train(run, data, device))
    print("\n".join(table(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
