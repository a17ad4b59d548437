from collections.abc import Callable

import torch

from bench.parts.dataset.tensors import Dataset

Load = Callable[..., Dataset]


def test_synthetic_images_have_any_shape_classes_and_sizes(load: Load) -> None:
    dataset = load("synthetic", channels=5, size=6, classes=3, train=30, validation=12, test=9)
    assert (dataset.shape, dataset.classes, dataset.sizes) == ((5, 6, 6), 3, (30, 12, 9))
    assert dataset.train.labels.bincount().tolist() == [10, 10, 10]


def test_the_seed_alone_draws_the_synthetic_images(load: Load) -> None:
    torch.manual_seed(1)
    first = load("synthetic").checksum
    torch.manual_seed(2)
    assert load("synthetic").checksum == first
    assert load("synthetic", split_seed=1).checksum == first
    assert load("synthetic", seed=1).checksum != first


def test_without_noise_an_image_is_its_prototype(load: Load) -> None:
    dataset = load("synthetic", noise=0.0)
    for label in range(dataset.classes):
        alike = dataset.train.images[dataset.train.labels == label]
        assert torch.equal(alike, alike[:1].expand_as(alike))
        assert torch.equal(alike[0], dataset.test.images[dataset.test.labels == label][0])


def test_a_nearest_prototype_finds_the_class_through_mild_noise(load: Load) -> None:
    dataset = load("synthetic", noise=0.3)
    train, test = dataset.train, dataset.test
    prototypes = torch.stack([train.images[train.labels == label].mean(0) for label in range(dataset.classes)])
    nearest = torch.cdist(test.images.flatten(1), prototypes.flatten(1)).argmin(1)
    assert torch.equal(nearest, test.labels)
