"""Images and labels that a function of the user's own returns: checked, and brought into one form.

In: a function, by its name. Out: raw data. Touches: what the function touches.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from bench import source
from bench.bounds import Count, checked
from bench.parts.ambient import seeded
from bench.parts.dataset.tensors import Dataset, Raw, Split, of_seed, reader
from bench.registry import keyword_arguments, opener
from bench.schema import UserError

SEED = 0  # of the global generators, so that every process of a sweep gets the same data
COLOURS = 4  # channels at most, where the shape alone has to tell them from rows
SHOWN = 5  # labels in a sentence

Layout = Literal["NCHW", "NHWC"]


@reader
def own(root: Path, download: bool, *, test: Count | None, layout: Layout | None) -> Raw:
    """Stands for `Own` in conf/, where the options have their defaults. Raises UserError."""
    raise UserError("dataset=own stands for a function of your own; name it, as dataset=package.module:load")


@opener("dataset")
@dataclass(frozen=True)
class Own:
    """A dataset by its name: what `registry.dataset` registers, made of a function without a decorator."""

    name: str
    function: Callable[..., object]
    arguments: Mapping[str, Any]

    def __call__(self, root: Path, download: bool, run_seed: int) -> Dataset:
        """The data of the function. Raises UserError where they are none, and for options that do not fit them."""
        kinds = keyword_arguments(own)
        options = {name: checked(f"dataset.{name}", self.arguments[name], kinds[name]) for name in kinds}
        given = {name: value for name, value in self.arguments.items() if name not in options}
        read = Load(self.name, json.dumps(given, sort_keys=True), self.function)
        return of_seed(read, root, download, run_seed, options)

    def known(self) -> dict[str, inspect.Parameter]:
        """The arguments that a command line may give: those of the function, and the options of every dataset."""
        options = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in keyword_arguments(own)
        }
        found, _ = source.parameters(self.function)
        if both := [name for name in found if name in options]:
            raise UserError(f"{self.name} has an argument {both[0]}, an option that every dataset has; rename it")
        return found | options

    def supplied(self) -> set[str]:
        """Those that it gets from the run: none."""
        return set()


@dataclass(frozen=True)
class Load:
    """A reader, equal to another of the same function and arguments, so that the runs of a process share it."""

    name: str
    given: str  # the arguments of the function, as JSON
    function: Callable[..., object]

    def __call__(self, root: Path, download: bool, *, test: int | None, layout: Layout | None) -> Raw:
        """The data that the function returns, split into train and test by it, or by `test`."""
        with seeded(SEED), source.explained(f"{self.name} fails"):
            returned = self.function(**json.loads(self.given))
        splits = [_split(self.name, part, layout) for part in _parts(self.name, returned)]
        _refuse_different(self.name, splits)
        classes = _classes(self.name, splits)
        train = splits[0]
        rest = splits[1] if len(splits) > 1 else test or max(1, len(train.labels) // 5)
        return Raw(self.name, train, rest, classes)


def _parts(name: str, returned: Any) -> list[Any]:
    """What is to train on, and what is to test on if the function returns such: each a Dataset or (images, labels)."""
    if isinstance(returned, TorchDataset):
        return [returned]
    parts = list(returned) if isinstance(returned, tuple | list) else []
    pairs = [isinstance(part, TorchDataset) or (isinstance(part, tuple | list) and len(part) == 2) for part in parts]
    if len(parts) == 2:
        return parts if all(pairs) and not _is_labels(parts[1]) else [parts]
    if len(parts) == 4:
        return [parts[:2], parts[2:]]
    raise UserError(
        f"{name} returns {_described(returned)}; return images and labels, then those of a test split if there is one, "
        "or one or two torch Datasets of (image, label)"
    )


def _is_labels(part: Any) -> bool:
    """Whether two numbers, which are the labels of two images, and no pair of images and labels."""
    return isinstance(part, tuple | list) and all(np.ndim(one) == 0 for one in part)


def _described(found: Any) -> str:
    if isinstance(found, tuple | list):
        return f"{len(found)} values"
    return "nothing" if found is None else f"an object of {type(found).__name__}"


def _split(name: str, part: Any, layout: Layout | None) -> Split:
    images, labels = _collected(name, part) if isinstance(part, TorchDataset) else part
    pixels, numbers = (
        _images(name, _array(name, "images", images), layout),
        _labels(name, _array(name, "labels", labels)),
    )
    if len(pixels) != len(numbers):
        raise UserError(f"{name} returns {len(pixels):,} images and {len(numbers):,} labels; return one for each image")
    return Split(pixels, numbers)


def _collected(name: str, data: Any) -> tuple[list[Any], list[Any]]:
    """The images and labels of a torch Dataset, one by one."""
    if not hasattr(data, "__len__"):
        raise UserError(f"{name} returns a {type(data).__name__} without a length; return one that has __len__")
    with source.explained(f"{name}: its {type(data).__name__} fails"):
        entries = [data[index] for index in range(len(data))]
    if not all(isinstance(entry, tuple | list) and len(entry) == 2 for entry in entries):
        raise UserError(f"an entry of the {type(data).__name__} of {name} is not (image, label)")
    return [np.asarray(image) for image, _ in entries], [label for _, label in entries]


def _array(name: str, what: str, values: Any) -> NDArray[Any]:
    """The values as an array of numbers. Raises UserError for objects, text, complex numbers and no values at all."""
    try:
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    except ValueError as ragged:  # numpy's, for rows of several lengths
        raise UserError(f"the {what} of {name} are of several shapes ({ragged}); bring them into one") from ragged
    if array.dtype.kind not in "biuf":
        hint = "; number the classes, as np.unique(labels, return_inverse=True)[1] does" if what == "labels" else ""
        raise UserError(f"the {what} of {name} are {array.dtype}, not numbers{hint}")
    if not array.size:
        raise UserError(f"{name} returns no {what}: their shape is {array.shape}")
    return array


def _images(name: str, images: NDArray[Any], layout: Layout | None) -> Tensor:
    """Images (N, C, H, W), uint8 or float32."""
    if images.ndim == 3:  # grey ones
        images, layout = images[:, None], "NCHW"
    if images.ndim != 4:
        raise UserError(f"the images of {name} have shape {images.shape}, not (n, channels, height, width)")
    if (layout or _layout(name, images.shape)) == "NHWC":
        images = images.transpose(0, 3, 1, 2)
    values = images if images.dtype == np.uint8 else images.astype(np.float32)
    if wrong := np.count_nonzero(~np.isfinite(values)):
        raise UserError(f"the images of {name} have {wrong:,} values that are no finite numbers")
    return torch.from_numpy(np.array(values, order="C"))


def _layout(name: str, shape: tuple[int, ...]) -> Layout:
    """Where the channels are: the two equal sides are rows and columns, and channels are few."""
    _, first, second, third = shape
    votes: set[Layout] = set()
    votes |= {"NCHW"} if second == third != first or first <= COLOURS < min(second, third) else set()
    votes |= {"NHWC"} if first == second != third or third <= COLOURS < min(first, second) else set()
    if len(votes) != 1:
        raise UserError(
            f"the images of {name} have shape {shape}, which does not tell channels from rows and columns; write "
            "dataset.layout=NCHW where channels come second, NHWC where they come last"
        )
    return votes.pop()


def _labels(name: str, labels: NDArray[Any]) -> Tensor:
    """Labels (N,), int64."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise UserError(f"the labels of {name} have shape {labels.shape}; return one number for each image")
    numbers = labels.astype(np.int64)
    if not np.array_equal(numbers, labels):
        raise UserError(f"the labels of {name} are no whole numbers: {labels[numbers != labels][0]} is among them")
    return torch.from_numpy(numbers)


def _classes(name: str, splits: list[Split]) -> int:
    """The number of classes. Raises UserError where they are not numbered from 0, or one is missing to train on."""
    found = torch.unique(splits[0].labels).tolist()
    unknown = [label for split in splits[1:] for label in torch.unique(split.labels).tolist() if label not in found]
    if found != [*range(len(found))]:
        some = ", ".join(map(str, found[:SHOWN])) + ", ..." * (len(found) > SHOWN)
        raise UserError(
            f"the labels of {name} are {some}; number the {len(found)} classes from 0 without a gap, as "
            "np.unique(labels, return_inverse=True)[1] does"
        )
    if unknown:
        raise UserError(f"{name} has the label {unknown[0]} among its test images, but not among those to train on")
    return len(found)


def _refuse_different(name: str, splits: list[Split]) -> None:
    shapes = [tuple(split.images.shape[1:]) for split in splits]
    kinds = [split.images.dtype for split in splits]
    if shapes[0] != shapes[-1] or kinds[0] != kinds[-1]:
        raise UserError(
            f"{name} trains on {kinds[0]} of shape {shapes[0]} and tests on {kinds[-1]} of shape {shapes[-1]}; bring "
            "both into one form"
        )
