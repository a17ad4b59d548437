import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from bench.parts.dataset.own import Own
from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError

OPTIONS = {"test": None, "layout": None, "validation": None, "subset": None, "split_seed": None, "crop": 0}
OPTIONS |= {"flip": False, "checksum": None}
COUNT = 100
LABELS = np.arange(COUNT) % 4
GREY = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6), dtype=np.uint8)


def load(returned, run_seed: int = 0, **options) -> Dataset:
    function = returned if callable(returned) else lambda: returned
    return Own("data:load", function, OPTIONS | options)(Path("data"), False, run_seed)


def test_one_pool_is_split_by_the_seed_of_the_run():
    first, second = load((GREY, LABELS)), load((GREY, LABELS), 1)
    assert (first.sizes, first.shape, first.classes) == ((72, 8, 20), (1, 6, 6), 4)
    assert not torch.equal(first.test.labels, second.test.labels)
    assert first.checksum == second.checksum
    assert load((GREY, LABELS), test=40, validation=10).sizes == (50, 10, 40)


@pytest.mark.parametrize("form", ["four", "pairs", "datasets"])
def test_a_test_split_of_its_own_is_kept(form):
    split = (GREY[:80], LABELS[:80]), (GREY[80:], LABELS[80:])
    datasets = tuple(TensorDataset(torch.tensor(images), torch.tensor(labels)) for images, labels in split)
    found = load({"four": (*split[0], *split[1]), "pairs": split, "datasets": datasets}[form])
    assert found.sizes == (72, 8, 20)
    assert found.fixed_test
    assert found.test.labels.tolist() == LABELS[80:].tolist()


def test_arrays_tensors_and_datasets_of_the_same_values_are_the_same_data():
    forms = [
        (GREY, LABELS),
        (GREY[:, None], LABELS[:, None].astype(float)),
        (GREY[..., None], LABELS.tolist()),
        (torch.tensor(GREY), torch.tensor(LABELS)),
        TensorDataset(torch.tensor(GREY), torch.tensor(LABELS)),
    ]
    assert len({load(form).checksum for form in forms}) == 1


@pytest.mark.parametrize(
    ("shape", "layout", "found"),
    [
        ((3, 6, 6), None, (3, 6, 6)),
        ((6, 6, 3), None, (3, 6, 6)),
        ((3, 6, 9), None, (3, 6, 9)),
        ((10, 6, 6), None, (10, 6, 6)),
        ((6, 6, 6), "NHWC", (6, 6, 6)),
        ((5, 6, 7), "NHWC", (7, 5, 6)),
    ],
)
def test_the_shape_tells_where_the_channels_are_or_the_layout_does(shape, layout, found):
    assert load((np.zeros((COUNT, *shape)), LABELS), layout=layout).shape == found


def test_numbers_that_the_function_draws_are_the_same_in_every_process():
    def noise():
        return np.random.randn(COUNT, 6, 6), LABELS  # noqa: NPY002, what a function of the user's may do

    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert load(noise, test=20).checksum == load(noise, test=30).checksum
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_arguments_that_are_no_options_are_the_functions():
    found = load(lambda side, classes: (np.zeros((COUNT, side, side)), LABELS % classes), side=5, classes=2)
    assert (found.shape, found.classes) == ((1, 5, 5), 2)


def with_one(value: float) -> np.ndarray:
    images = GREY.astype(float)
    images[3, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "returns nothing; return images and labels"),
        ((GREY, LABELS, LABELS), "returns 3 values"),
        ((GREY, LABELS + 1), "labels of data:load are 1, 2, 3, 4; number the 4 classes from 0 without a gap"),
        ((GREY, LABELS * 2), "are 0, 2, 4, 6; number"),
        ((GREY, LABELS.astype(str)), "labels of data:load are <U21, not numbers; number the classes"),
        ((GREY, LABELS + 0.5), "no whole numbers: 0.5"),
        ((GREY, np.eye(4)[LABELS]), r"labels of data:load have shape \(100, 4\); return one number for each image"),
        ((GREY, LABELS[:-1]), "returns 100 images and 99 labels"),
        ((GREY, LABELS * 0), "one class alone"),
        ((GREY.reshape(COUNT, -1), LABELS), r"images of data:load have shape \(100, 36\), not \(n, channels"),
        (
            (np.zeros((COUNT, 6, 6, 6)), LABELS),
            "does not tell channels from rows and columns; write dataset.layout=NCHW",
        ),
        ((np.zeros((COUNT, 5, 6, 7)), LABELS), "does not tell channels"),
        ((GREY[:0], LABELS[:0]), "returns no images"),
        ((with_one(np.nan), LABELS), "have 1 values that are no finite numbers"),
        ((with_one(np.inf), LABELS), "have 1 values that are no finite numbers"),
        ((np.array([{}] * COUNT), LABELS), "images of data:load are object, not numbers"),
        (([GREY[0], GREY[0, :3]], [0, 1]), "of several shapes"),
        ((GREY, LABELS, GREY[:, :3], LABELS), "bring both into one form"),
        ((GREY, LABELS % 2, GREY, LABELS), "has the label 2 among its test images"),
        ([TensorDataset(torch.tensor(GREY)), TensorDataset(torch.tensor(GREY))], r"is not \(image, label\)"),
        (lambda: np.zeros(3)[7], "data:load fails: IndexError: .*test_dataset_own.py, line"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(returned, sentence):
    with pytest.raises(UserError, match=sentence):
        load(returned)


def test_the_option_that_stands_for_all_of_them_names_the_way_out(load):
    with pytest.raises(UserError, match=re.escape("dataset=package.module:load")):
        load("own")
