"""The work of a benchmark: a model on images of a shape, in epochs as long as those of real data of this shape.

In: a name such as resnet20/3x32x32, settings. Out: a run, and the operations of training on one image.
Touches: nothing.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench import registry
from bench.plan.plan import Compose, declared, plan
from bench.schema import Run, UserError

EPOCHS = {"1x8x8": 1_257, "1x28x28": 55_000, "3x32x32": 45_000}  # images: of digits, Fashion-MNIST and CIFAR-10
USUAL_EPOCH = 50_000
CLASSES = 10
CROPPED = 8  # a crop shifts an image by up to an eighth of its height: four pixels of 32
COUNTED = 2  # images by which operations are counted; batch norm wants more than one


@dataclass(frozen=True)
class Work:
    """A model, as resnet20 or resnet20(width=8), on images (channels, height, width), `images` of them in an epoch."""

    name: str
    model: str
    shape: tuple[int, int, int]
    images: int


def work(name: str) -> Work:
    """The work of a name: a model and a shape, channels first. Raises UserError for a name of another form."""
    found = re.fullmatch(r"(\w+(?:\([^()]*\))?)/(([13])x([1-9]\d*)x\4)", name)
    if not found:
        raise UserError(
            f"{name!r} is no work; write a model and the shape of its images, 1 or 3 channels and a square, "
            "such as resnet8/1x8x8 or resnet20(width=8)/3x32x32"
        )
    model, shape, channels, height = found.groups()
    return Work(name, model, (int(channels), int(height), int(height)), EPOCHS.get(shape, USUAL_EPOCH))


def run_of(work: Work, compose: Compose, batch_size: int, precision: str) -> Run:
    """The run that trains the work, as `python -m bench sweep` plans it.

    Raises UserError where there is no such model, batch or precision.
    """
    if not 2 <= batch_size <= work.images:
        raise UserError(f"batch_size={batch_size} does not fit {work.images} images; choose 2 to {work.images}")
    channels, height, _ = work.shape
    data = {"channels": channels, "size": height, "crop": height // CROPPED, "flip": "true", "classes": CLASSES}
    data |= {"train": work.images, "validation": CLASSES, "test": CLASSES, "split_seed": 0}
    chosen = {"model": work.model, "dataset": "synthetic", **{f"dataset.{key}": value for key, value in data.items()}}
    chosen |= {"optimizer": "sgd", "optimizer.nesterov": "true", "batch_size": batch_size, "precision": precision}
    study = replace(declared(compose([])), name="speed", axes={}, skip=[])
    [run] = plan(compose, study, [f"{key}={one}" for key, one in chosen.items()]).runs
    return run


def changed(run: Run, **choices: Any) -> Run:
    """The run with other choices."""
    return replace(run, choices={**run.choices, **choices})


def model_of(run: Run, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The run's model, with the weights that torch's layers draw by default."""
    activation, normalization = registry.build(run, "activation"), registry.build(run, "normalization")
    model: nn.Module = registry.build(run, "model")(shape, classes, activation, normalization, "sum")
    return model


def training_flops(model: nn.Module, shape: tuple[int, int, int]) -> float:
    """Floating-point operations of convolutions and linear layers in one forward and backward pass, per image.

    An addition and a multiplication count as two, and no gradient of the images is taken.
    """
    with FlopCounterMode(display=False) as counter:
        model.train()(torch.zeros(COUNTED, *shape)).sum().backward()
    return float(counter.get_total_flops()) / COUNTED
