from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from bench.parts.dataset import digits as module
from bench.parts.dataset.tensors import Dataset

Load = Callable[..., Dataset]

ARGUMENTS: dict[str, Any] = {"test": 9, "subset": None, "crop": 0, "flip": False, "checksum": None}


def test_digits_have_their_published_size_and_are_what_conf_expects(load: Load) -> None:
    dataset = load("digits")
    assert (dataset.shape, dataset.classes) == ((1, 8, 8), 10)
    assert dataset.sizes == (1797 - 360 - 180, 180, 360)
    assert dataset.train.images.dtype == torch.float32
    assert dataset.train.labels.dtype == dataset.validation.labels.dtype == dataset.test.labels.dtype == torch.int64


def test_each_split_of_the_digits_has_every_class_about_equally_often(load: Load) -> None:
    dataset = load("digits")
    for split in (dataset.train, dataset.validation, dataset.test):
        shares = split.labels.bincount(minlength=10) / len(split.labels)
        assert (shares - 0.1).abs().max() < 0.01


def test_another_split_seed_tests_on_other_digits(load: Load) -> None:
    first, second = load("digits", split_seed=0), load("digits", split_seed=1)
    assert first.checksum == second.checksum
    assert not torch.equal(first.test.labels, second.test.labels)


def test_digits_write_nothing(load: Load, tmp_path: Path) -> None:
    load("digits")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", [module.FILE, "moved/elsewhere.csv.gz"])
def test_digits_are_those_of_scikit_learn_wherever_it_keeps_them(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE", file)
    pixels, labels = load_digits(return_X_y=True)
    table = module.read()
    assert (table[:, :-1] == pixels).all()
    assert (table[:, -1] == labels).all()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is read from the file of the digits from now on."""
    reads: list[Any] = []
    read = module.read

    def counted() -> Any:
        reads.append(read())
        return reads[-1]

    monkeypatch.setattr(module, "read", counted)
    return reads


def test_runs_of_one_process_share_a_fixed_split_whatever_their_seed(tmp_path: Path, reads: list[Any]) -> None:
    first = module.digits(tmp_path, False, 0, validation=9, split_seed=0, **ARGUMENTS)
    assert module.digits(tmp_path, False, 1, validation=9, split_seed=0, **ARGUMENTS) is first
    assert len(reads) == 1
    assert module.digits(tmp_path, False, 0, validation=19, split_seed=0, **ARGUMENTS) is not first
    assert len(reads) == 2


def test_runs_of_one_process_read_once_and_share_the_split_of_their_seed(tmp_path: Path, reads: list[Any]) -> None:
    first, again, other = (
        module.digits(tmp_path, False, seed, validation=8, split_seed=None, **ARGUMENTS) for seed in (0, 0, 1)
    )
    assert again is first
    assert not torch.equal(first.test.labels, other.test.labels)
    assert len(reads) == 1


def test_resized_digits_are_the_digits_at_another_size(load: Load) -> None:
    small, large = load("digits", split_seed=0), load("digits_resized", split_seed=0, size=16)
    assert large.shape == (1, 16, 16)
    assert torch.equal(small.test.labels, large.test.labels)
    halved = functional.avg_pool2d(large.train.images, 2).flatten(1)
    both = torch.stack([small.train.images[:50].flatten(), halved[:50].flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.9
