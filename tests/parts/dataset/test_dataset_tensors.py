import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from bench.parts.dataset.tensors import Dataset, Raw, Split, checksum_of, prepare, stratified
from bench.schema import UserError

Load = Callable[..., Dataset]


def numbered(count: int, classes: int) -> Split:
    """Images 1x1x1 that carry their own number, so that a split shows where they went."""
    images = torch.arange(count, dtype=torch.float32).view(count, 1, 1, 1)
    return Split(images, torch.arange(count) % classes)


USUAL: dict[str, Any] = {
    "validation": 20,
    "subset": None,
    "split_seed": 0,
    "crop": 0,
    "flip": False,
    "checksum": None,
}


def prepared(train: Split, test: Split | int, run_seed: int = 0, **changes: Any) -> Dataset:
    return prepare(Raw("numbered", train, test, classes=4), run_seed, **USUAL | changes)


def numbers(dataset: Dataset) -> list[set[int]]:
    """Which of the `numbered` images are in each split: normalisation keeps their order."""
    splits = (dataset.train, dataset.validation, dataset.test)
    everything = torch.cat([split.images.flatten() for split in splits])
    ranks = torch.split(everything.argsort().argsort(), [len(split.labels) for split in splits])
    return [set(part.tolist()) for part in ranks]


def test_splits_of_a_pool_are_disjoint_and_leave_nothing_out() -> None:
    pool = numbered(100, classes=4)
    dataset = prepared(pool, 30)
    train, validation, test = numbers(dataset)
    assert dataset.sizes == (50, 20, 30) == (len(train), len(validation), len(test))
    assert train | validation | test == set(range(100))
    for split, members in zip(
        (dataset.train, dataset.validation, dataset.test), (train, validation, test), strict=True
    ):
        assert split.labels.tolist() == [number % 4 for number in sorted(members)]  # each image kept its label


def test_the_split_seed_alone_decides_the_splits() -> None:
    pool = numbered(100, classes=4)
    torch.manual_seed(1)
    first = numbers(prepared(pool, 30))
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert numbers(prepared(pool, 30)) == first
    assert numbers(prepared(pool, 30, split_seed=1)) != first
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)  # the global generator was never drawn from


def test_without_a_split_seed_it_is_the_seed_of_the_run() -> None:
    pool = numbered(100, classes=4)
    for seed in (0, 3, -1, 10**30):
        assert numbers(prepared(pool, 30, seed, split_seed=None)) == numbers(prepared(pool, 30, split_seed=seed))
    assert numbers(prepared(pool, 30, 3, split_seed=0)) == numbers(prepared(pool, 30, 4, split_seed=0))
    three, four = (numbers(prepared(pool, 30, seed, split_seed=None)) for seed in (3, 4))
    assert all(one != other for one, other in zip(three, four, strict=True))


def test_a_test_set_is_fixed_where_it_is_published_or_has_a_split_seed() -> None:
    pool, published = numbered(100, classes=4), numbered(40, classes=4)
    assert prepared(pool, published, split_seed=None).fixed_test
    assert prepared(pool, 30, split_seed=0).fixed_test
    assert not prepared(pool, 30, split_seed=None).fixed_test


@pytest.mark.parametrize("count", [1, 7, 50, 99])
def test_each_class_is_within_one_of_its_share(count: int) -> None:
    labels = torch.tensor([0] * 10 + [1] * 60 + [2] * 30)[torch.randperm(100, generator=Generator().manual_seed(3))]
    chosen = stratified(labels, count, Generator().manual_seed(0))
    assert len(set(chosen.tolist())) == count
    shares = torch.tensor([0.1, 0.6, 0.3]) * count
    assert ((labels[chosen].bincount(minlength=3) - shares).abs() <= 1).all()


def test_every_image_of_a_class_can_be_chosen() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    seen = {int(stratified(labels, 1, Generator().manual_seed(seed))) for seed in range(200)}
    assert seen == set(range(10))


def test_a_subset_shrinks_training_alone_and_keeps_the_classes_even() -> None:
    pool = numbered(100, classes=4)
    whole, part = prepared(pool, 30), prepared(pool, 30, subset=8)
    assert part.sizes == (8, 20, 30)
    assert part.train.labels.bincount().tolist() == [2, 2, 2, 2]
    assert torch.equal(part.test.labels, whole.test.labels)
    assert torch.equal(part.validation.labels, whole.validation.labels)
    assert part.checksum == whole.checksum


@pytest.mark.parametrize("subset", [3, 51])
def test_a_subset_too_large_or_smaller_than_the_classes_is_refused(subset: int) -> None:
    with pytest.raises(UserError, match=rf"numbered: dataset.subset={subset} .* choose 4 to 50"):
        prepared(numbered(100, classes=4), 30, subset=subset)


@pytest.mark.parametrize(("validation", "test"), [(0, 30), (70, 30), (20, 100), (20, -1)])
def test_a_part_that_leaves_nothing_to_train_on_or_holds_nothing_is_refused(validation: int, test: int) -> None:
    with pytest.raises(UserError, match=r"numbered: dataset.*does not fit"):
        prepared(numbered(100, classes=4), test, validation=validation)


def test_a_crop_that_shifts_an_image_out_of_sight_is_refused() -> None:
    with pytest.raises(UserError, match=r"dataset.crop=\d+ shifts images"):
        prepared(numbered(100, classes=4), 30, crop=max(numbered(100, classes=4).images.shape[2:]))


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(UserError, match="there is one class alone"):
        prepare(Raw("numbered", numbered(100, classes=1), 30, classes=1), 0, **USUAL)


def colours(count: int, offset: int) -> Split:
    generator = Generator().manual_seed(offset)
    images = torch.randint(offset, offset + 100, (count, 3, 4, 4), generator=generator, dtype=torch.uint8)
    images[:, 2] = 77  # a channel without spread
    return Split(images, torch.arange(count) % 4)


def test_normalisation_is_by_the_training_split_per_channel() -> None:
    raw = colours(100, offset=0), colours(40, offset=100)
    dataset = prepared(*raw)
    for images in (dataset.train.images, dataset.validation.images, dataset.test.images):
        assert images.dtype == torch.float32
    spread, mean = torch.std_mean(dataset.train.images.double(), dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-6, rtol=0)
    torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 0.0]).double(), atol=1e-6, rtol=0)
    assert (dataset.test.images[:, :2].mean((0, 2, 3)) > 2).all()  # brighter than what was trained on, and still so
    deviation = raw[0].images[:, 0].double().std(correction=0)
    span = dataset.test.images[:, 0].max() - dataset.test.images[:, 0].min()  # of the grey levels 100 to 199
    assert span.item() == pytest.approx(99 / deviation.item(), rel=0.05)  # divided by training's deviation


def test_normalisation_follows_the_subset_that_is_trained_on() -> None:
    dataset = prepared(colours(100, offset=0), colours(40, offset=100), subset=8)
    assert dataset.train.images[:, 0].mean().item() == pytest.approx(0, abs=1e-5)


def test_a_channel_of_one_odd_float_is_centred_only() -> None:
    constant = Split(torch.full((50, 1, 3, 3), 0.1), torch.arange(50) % 4)
    assert prepared(constant, 10).train.images.abs().max() < 1e-6


def test_the_raw_tensors_are_left_as_they_were() -> None:
    train, test = numbered(100, classes=4), numbered(40, classes=4)
    prepared(train, test)
    assert torch.equal(train.images, numbered(100, classes=4).images)
    assert torch.equal(test.images, numbered(40, classes=4).images)


def test_the_checksum_is_sha256_of_bytes_in_the_stated_order() -> None:
    images = torch.tensor([1, 2, 3, 4], dtype=torch.uint8).view(2, 1, 1, 2)
    labels = torch.tensor([5, 258])
    expected = hashlib.sha256(bytes([1, 2, 3, 4]) + bytes([5, 0, 0, 0, 0, 0, 0, 0]) + bytes([2, 1, 0, 0, 0, 0, 0, 0]))
    assert checksum_of(Split(images, labels)) == expected.hexdigest()
    strided = images.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)  # other strides, the same values
    assert checksum_of(Split(strided, labels)) == expected.hexdigest()


@pytest.mark.parametrize("tamper", ["image", "label", "test"])
def test_any_changed_value_changes_the_checksum(tamper: str) -> None:
    train, test = numbered(100, classes=4), numbered(40, classes=4)
    before = prepared(train, test).checksum
    changed: dict[str, Tensor] = {"image": train.images, "label": train.labels, "test": test.images}
    changed[tamper].view(-1)[7] += 1
    assert prepared(train, test).checksum != before


def test_a_wrong_checksum_names_dataset_both_sums_and_the_way_out() -> None:
    raw = numbered(100, classes=4)
    found = prepared(raw, 30).checksum
    assert prepared(raw, 30, checksum=found).checksum == found
    with pytest.raises(UserError, match=r"^numbered: ") as refusal:
        prepared(raw, 30, checksum="0" * 64)
    for part in (found, "0" * 64, "dataset.checksum=null", "get the data again"):
        assert part in str(refusal.value)


def test_a_dataset_augments_by_its_own_crop_and_flip(load: Load) -> None:
    plain = load("synthetic", crop=0, flip=False)
    batch = plain.train.images[:16]
    assert plain.augment(batch, plain.draw(16, Generator().manual_seed(0))) is batch
    cropped = load("synthetic", crop=2, flip=False)
    assert not torch.equal(cropped.augment(batch, cropped.draw(16, Generator().manual_seed(0))), batch)


def test_a_dataset_moves_with_all_its_tensors_and_nothing_else(load: Load) -> None:
    here = load("synthetic")
    there = here.to("meta")
    assert {tensor.device.type for split in (there.train, there.validation, there.test) for tensor in split} == {"meta"}
    assert (there.sizes, there.shape, there.checksum) == (here.sizes, here.shape, here.checksum)
    assert here.train.images.device.type == "cpu"
