"""From raw images and labels to a dataset that a run can train on.

In: raw tensors and the choices of a run. Out: a Dataset. Touches: nothing.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from bench.parts.dataset.augmentation import augment
from bench.schema import UserError


class Split(NamedTuple):
    """Images (N, C, H, W) and their labels (N,), int64."""

    images: Tensor
    labels: Tensor

    def take(self, chosen: Tensor) -> "Split":
        """The images that an index or a mask names, as a copy."""
        return Split(self.images[chosen], self.labels[chosen])

    def to(self, device: str) -> "Split":
        """The split on a device; itself where it already is there."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, float32, normalised per channel by the first. Runs share it, so never write into its tensors."""

    train: Split
    validation: Split
    test: Split
    classes: int
    checksum: str  # of the raw data, by `checksum_of`
    crop: int  # pixels
    flip: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many images are for (training, validation, test)."""
        return len(self.train.labels), len(self.validation.labels), len(self.test.labels)

    def to(self, device: str) -> "Dataset":
        """The dataset with its three splits on a device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return dataclasses.replace(self, **parts)

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """A batch cropped and flipped as this dataset is trained on; all draws are the generator's."""
        return augment(images, generator, crop=self.crop, flip=self.flip)


def prepare(
    name: str,
    train: Split,
    test: Split | int,
    *,
    classes: int,
    validation: int,
    subset: int | None,
    split_seed: int,
    crop: int,
    flip: bool,
    checksum: str | None,
) -> Dataset:
    """Verify, split and normalise raw data; `test` is a split of its own, or how many images to carve from `train`.

    The splits are stratified and depend on the data and `split_seed` alone; test and validation do not depend on
    `subset`, which then draws that many training images. Raises UserError when the data is not what `checksum` says,
    or a number does not fit it.
    """
    if crop < 0:
        raise UserError(f"{name}: dataset.crop={crop} is not a number of pixels; choose 0 or more")
    found = checksum_of(train) if isinstance(test, int) else checksum_of(train, test)
    if checksum is not None and checksum != found:
        raise UserError(
            f"{name}: the data has checksum {found}, but conf/dataset expects {checksum}; "
            "get the data again, or set dataset.checksum=null to use it as it is"
        )
    generator = Generator().manual_seed(split_seed)
    if isinstance(test, int):
        train, test = _carve(name, "test", train, test, generator)
    train, held_out = _carve(name, "validation", train, validation, generator)
    if subset is not None:
        train = _subset(name, train, subset, classes, generator)
    train, held_out, test = _normalise(train, held_out, test)
    return Dataset(train, held_out, test, classes, found, crop, flip)


def checksum_of(*splits: Split) -> str:
    """sha256 over each split's images, then its labels: raw values, row-major (N, C, H, W), little-endian."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in split:
            array = np.ascontiguousarray(tensor.numpy())
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()


def stratified(labels: Tensor, count: int, generator: Generator) -> Tensor:
    """`count` distinct indices into `labels`, in rising order, each class within one of its share.

    Systematic sampling: shuffle, line the classes up one after another, take evenly spaced places.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    in_line = shuffled[labels[shuffled].argsort(stable=True)]
    places = (2 * torch.arange(count) + 1) * len(labels) // (2 * count)
    return in_line[places].sort().values


def _carve(name: str, part: str, pool: Split, count: int, generator: Generator) -> tuple[Split, Split]:
    """What stays of the pool, and the `count` images that go to `part`."""
    images = len(pool.labels)
    if not 0 < count < images:
        raise UserError(f"{name}: dataset.{part}={count} does not fit {images} images; choose 1 to {images - 1}")
    chosen = stratified(pool.labels, count, generator)
    stays = torch.ones(images, dtype=torch.bool)
    stays[chosen] = False
    return pool.take(stays), pool.take(chosen)


def _subset(name: str, train: Split, count: int, classes: int, generator: Generator) -> Split:
    images = len(train.labels)
    if not classes <= count <= images:
        raise UserError(
            f"{name}: dataset.subset={count} does not fit {images} training images of {classes} classes; "
            f"choose {classes} to {images}, or null for all"
        )
    return train.take(stratified(train.labels, count, generator))


def _normalise(train: Split, *others: Split) -> list[Split]:
    """All splits in float32, by the mean and standard deviation of each channel of the first."""
    images = [split.images.to(torch.float32, copy=True) for split in (train, *others)]
    mean, deviation = _moments(images[0])
    for part in images:
        part.sub_(mean).div_(deviation)
    return [Split(part, split.labels) for part, split in zip(images, (train, *others), strict=True)]


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C, 1, 1); a channel without spread has deviation 1."""
    # Per image first, then over images in double: a single sum would change its last bits with the number of threads.
    variances, means = torch.var_mean(images.flatten(2), dim=2, correction=0)
    mean = means.double().mean(0)
    deviation = (variances.double().mean(0) + means.double().var(0, correction=0)).sqrt()
    deviation[deviation == 0] = 1
    return mean.float().view(-1, 1, 1), deviation.float().view(-1, 1, 1)
