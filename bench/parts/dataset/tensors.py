"""From raw images and labels to a dataset that a run can train on: checked, split, normalized.

In: raw data and the options of conf/dataset. Out: a Dataset. Touches: nothing.
"""

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Generator, Tensor

from bench.bounds import Count, Natural
from bench.parts.dataset import augmentation
from bench.registry import dataset, keyword_arguments
from bench.schema import UserError


class Split(NamedTuple):
    """Images (N, C, H, W) and their labels (N,), int64."""

    images: Tensor
    labels: Tensor

    def take(self, chosen: Tensor) -> "Split":
        """The images that an index or a mask selects, as a copy."""
        return Split(self.images[chosen], self.labels[chosen])

    def to(self, device: str) -> "Split":
        """The split on a device; the same tensors if they are there already."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Raw:
    """Data as published: `test` is a split of its own, or how many images of `train` to test on instead."""

    name: str  # in error sentences
    train: Split
    test: Split | int
    classes: int


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, float32, normalized per channel by the first. Runs share it, so never write into its tensors."""

    train: Split
    validation: Split
    test: Split
    classes: int
    checksum: str  # of the raw data, by `checksum_of`
    crop: int  # pixels
    flip: bool
    fixed_test: bool  # whether every seed has the same test split

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
        """The dataset with its three splits on a device, where all runs of a process share one copy."""
        copies, place = _copies.setdefault(self, {}), torch.empty(0, device=device).device  # "cuda" is the GPU in use
        if place not in copies:
            parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
            copies[place] = dataclasses.replace(self, **parts)
        return copies[place]

    def draw(self, count: int, generator: Generator) -> Tensor:
        """How a training batch of `count` images is moved with this dataset's options, (3, count), on the CPU."""
        return augmentation.draw(count, generator, crop=self.crop, flip=self.flip)

    def augment(self, images: Tensor, moves: Tensor) -> Tensor:
        """A training batch, cropped and flipped as it was drawn."""
        return augmentation.augment(images, moves, crop=self.crop, flip=self.flip)


# of a dataset, by device; a copy lives as long as its dataset
_copies: WeakKeyDictionary[Dataset, dict[torch.device, Dataset]] = WeakKeyDictionary()


def noise(shape: tuple[int, int, int], classes: int, count: int) -> Dataset:
    """Normal noise of this shape with random labels, for what looks at no data of its own."""
    generator = Generator().manual_seed(0)
    images = torch.randn(count, *shape, generator=generator)
    split = Split(images, torch.randint(classes, (count,), generator=generator))
    return Dataset(split, split, split, classes, checksum="", crop=0, flip=False, fixed_test=True)


def reader(read: Callable[..., Raw]) -> Callable[..., Dataset]:
    """Register `read(root, download, *, ...) -> Raw` as a dataset, with the options of `prepare` after its arguments.

    Returns what is registered, which also takes the seed of the run.
    """
    named = keyword_arguments(read) | keyword_arguments(prepare)

    @functools.wraps(read)
    def load(root: Path, download: bool, run_seed: int, **arguments: Any) -> Dataset:
        return of_seed(read, root, download, run_seed, arguments)

    positional = [*inspect.signature(load, follow_wrapped=False).parameters.values()][:-1]
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in named]
    load.__signature__ = inspect.Signature([*positional, *keywords])  # type: ignore[attr-defined]
    load.__annotations__ = named
    return dataset(load)


def of_seed(
    read: Callable[..., Raw], root: Path, download: bool, run_seed: int, arguments: Mapping[str, Any]
) -> Dataset:
    """The dataset of a reader in the split of a run's seed; all seeds share a fixed split."""
    fixed = arguments["split_seed"] is not None
    return loaded(read, root, download, 0 if fixed else run_seed, **arguments)


@functools.lru_cache(maxsize=1)
def loaded(read: Callable[..., Raw], root: Path, download: bool, run_seed: int, **arguments: Any) -> Dataset:
    """The dataset of a reader; the last one is kept, so that the runs of a process share it.

    Where each seed has a split of its own, the raw data is kept too.
    """
    own = {name: arguments[name] for name in keyword_arguments(read)}
    raw = published(read, root, download, **own) if arguments["split_seed"] is None else read(root, download, **own)
    return prepare(raw, run_seed, **{name: arguments[name] for name in keyword_arguments(prepare)})


@functools.lru_cache(maxsize=1)
def published(read: Callable[..., Raw], root: Path, download: bool, **arguments: Any) -> Raw:
    """The raw data of a reader; the last is kept."""
    return read(root, download, **arguments)


def prepare(
    raw: Raw,
    run_seed: int,
    *,
    validation: Count | None,
    subset: Count | None,
    split_seed: Natural | None,
    crop: Natural,
    flip: bool,
    checksum: str | None,
) -> Dataset:
    """Verify, split and normalize raw data.

    The splits are stratified and depend on the data and `split_seed` alone, or on `run_seed` where that is None; test
    and validation do not depend on `subset`, which then draws that many training images; without a number a tenth of
    the images validates. Raises UserError when the data does not match `checksum`, or a number does not fit the data.
    """
    name, train, test = raw.name, raw.train, raw.test
    height, width = train.images.shape[2:]
    if crop >= min(height, width):
        raise UserError(f"{name}: dataset.crop={crop} shifts images of {width}x{height} out of sight; choose less")
    if raw.classes < 2:
        raise UserError(f"{name}: there is one class alone, so there is nothing to tell apart; take two or more")
    found = checksum_of(train) if isinstance(test, int) else checksum_of(train, test)
    if checksum is not None and checksum != found:
        raise UserError(
            f"{name}: the data has checksum {found}, but conf/dataset expects {checksum}; "
            "get the data again, or set dataset.checksum=null to use it as it is"
        )
    drawn_from = run_seed if split_seed is None else split_seed
    generator = Generator().manual_seed(drawn_from % 2**64)  # torch takes no longer seed
    if isinstance(test, int):
        train, test = _carve(name, "test", train, test, generator)
    count = max(1, len(train.labels) // 10) if validation is None else validation
    train, held_out = _carve(name, "validation", train, count, generator)
    if subset is not None:
        train = _subset(name, train, subset, raw.classes, generator)
    train, held_out, test = _normalized(train, held_out, test)
    fixed_test = split_seed is not None or isinstance(raw.test, Split)
    return Dataset(train, held_out, test, raw.classes, found, crop, flip, fixed_test)


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

    Systematic sampling: shuffle, sort by class, take evenly spaced images.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    sorted_by_class = shuffled[labels[shuffled].argsort(stable=True)]
    even = (2 * torch.arange(count) + 1) * len(labels) // (2 * count)
    return sorted_by_class[even].sort().values


def _carve(name: str, part: str, pool: Split, count: int, generator: Generator) -> tuple[Split, Split]:
    """(What is left of the pool, the `count` images that go to `part`)."""
    images = len(pool.labels)
    if not 0 < count < images:
        raise UserError(f"{name}: dataset.{part}={count} does not fit {images} images; choose 1 to {images - 1}")
    chosen = stratified(pool.labels, count, generator)
    left = torch.ones(images, dtype=torch.bool)
    left[chosen] = False
    return pool.take(left), pool.take(chosen)


def _subset(name: str, train: Split, count: int, classes: int, generator: Generator) -> Split:
    images = len(train.labels)
    if not classes <= count <= images:
        raise UserError(
            f"{name}: dataset.subset={count} does not fit {images} training images of {classes} classes; "
            f"choose {classes} to {images}, or null for all"
        )
    return train.take(stratified(train.labels, count, generator))


def _normalized(train: Split, *others: Split) -> list[Split]:
    """All splits in float32, by the mean and standard deviation of each channel of the first."""
    images = [split.images.to(torch.float32, copy=True) for split in (train, *others)]
    mean, deviation = _moments(images[0])
    for part in images:
        part.sub_(mean).div_(deviation)
    return [Split(part, split.labels) for part, split in zip(images, (train, *others), strict=True)]


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C, 1, 1); a channel without spread has deviation 1."""
    # Per image first, then over images in double: the last bits of a single sum depend on the number of threads.
    variances, means = torch.var_mean(images.flatten(2), dim=2, correction=0)
    mean = means.double().mean(0)
    deviation = (variances.double().mean(0) + means.double().var(0, correction=0)).sqrt()
    deviation[deviation == 0] = 1
    return mean.float().view(-1, 1, 1), deviation.float().view(-1, 1, 1)
