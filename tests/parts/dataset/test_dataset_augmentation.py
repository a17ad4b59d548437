import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from bench.parts.dataset import augmentation


def augment(images: Tensor, generator: Generator, *, crop: int, flip: bool) -> Tensor:
    moves = augmentation.draw(len(images), generator, crop=crop, flip=flip)
    return augmentation.augment(images, moves.to(images.device), crop=crop, flip=flip)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def distinct(count: int, channels: int = 3, height: int = 6, width: int = 5) -> Tensor:
    """Images whose pixels all differ and are never zero, so that what was done to them can be read off."""
    return torch.arange(1.0, count * channels * height * width + 1).view(count, channels, height, width)


def shifts(image: Tensor, crop: int) -> list[Tensor]:
    """All crops of one image, one by one: what the batched code must choose from."""
    _, height, width = image.shape
    padded = pad(image, (crop,) * 4)
    places = range(2 * crop + 1)
    return [padded[:, down : down + height, right : right + width] for down in places for right in places]


def which(image: Tensor, options: list[Tensor]) -> int:
    matches = [place for place, option in enumerate(options) if torch.equal(image, option)]
    assert len(matches) == 1
    return matches[0]


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_each_image_is_a_true_shift_of_itself_mirrored_or_not(
    channels: int, memory_format: torch.memory_format
) -> None:
    images = distinct(64, channels).contiguous(memory_format=memory_format)
    for before, after in zip(images, augment(images, seeded(), crop=2, flip=True), strict=True):
        which(after, shifts(before, 2) + shifts(before.flip(-1), 2))


def test_every_shift_comes_up_about_equally_often() -> None:
    images = distinct(900)
    after = augment(images, seeded(), crop=1, flip=False)
    places = [which(new, shifts(old, 1)) for old, new in zip(images, after, strict=True)]
    counts = torch.tensor(places).bincount(minlength=9)
    assert ((counts - 100).abs() < 5 * (900 * (1 / 9) * (8 / 9)) ** 0.5).all()


def test_about_half_of_the_images_are_mirrored_and_nothing_else() -> None:
    images = distinct(1000)
    after = augment(images, seeded(), crop=0, flip=True)
    mirrored = sum(which(new, [old, old.flip(-1)]) for old, new in zip(images, after, strict=True))
    assert abs(mirrored - 500) < 5 * (1000 / 4) ** 0.5


def test_the_same_generator_seed_gives_the_same_batch_whatever_the_global_one() -> None:
    images = distinct(32)
    torch.manual_seed(1)
    first = augment(images, seeded(5), crop=2, flip=True)
    torch.manual_seed(2)
    assert torch.equal(augment(images, seeded(5), crop=2, flip=True), first)
    assert not torch.equal(augment(images, seeded(6), crop=2, flip=True), first)


def test_the_memory_format_does_not_change_the_batch() -> None:
    images = distinct(32)
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment(images, seeded(), crop=2, flip=True), augment(last, seeded(), crop=2, flip=True))


def test_the_next_batch_is_drawn_anew() -> None:
    images, generator = distinct(32), seeded()
    assert not torch.equal(
        augment(images, generator, crop=2, flip=True),
        augment(images, generator, crop=2, flip=True),
    )


def test_the_given_images_stay_as_they_were() -> None:
    images = distinct(8)
    augment(images, seeded(), crop=2, flip=True)
    assert torch.equal(images, distinct(8))


def test_nothing_to_do_returns_the_images_themselves_and_draws_nothing() -> None:
    images, generator = distinct(8), seeded()
    assert augment(images, generator, crop=0, flip=False) is images
    assert torch.equal(generator.get_state(), seeded().get_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gets_the_batch_of_the_cpu() -> None:
    images = distinct(32)
    there = augment(images.cuda(), seeded(), crop=2, flip=True)
    assert torch.equal(there.cpu(), augment(images, seeded(), crop=2, flip=True))
