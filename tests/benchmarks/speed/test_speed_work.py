"""What is trained: names, runs, and the operations that an image takes."""

import pytest
from torch import nn

from bench.benchmarks.speed.work import model_of, run_of, training_flops, work
from bench.schema import UserError


def test_the_operations_of_a_convolution_are_those_counted_by_hand():
    first, second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, stride=2, padding=1)
    forward = [2 * 3 * 3 * 3 * 8 * 10 * 10, 2 * 3 * 3 * 8 * 4 * 5 * 5]  # two per product: kernel, channels, pixels
    # backward, a convolution costs once more for its weights, and once more for its input unless that is the image
    assert training_flops(nn.Sequential(first, second), (3, 10, 10)) == 2 * forward[0] + 3 * forward[1]


def test_a_name_says_the_model_the_shape_and_how_long_an_epoch_of_such_data_is():
    digits, own = work("resnet8/1x8x8"), work("plain14/3x16x16")
    assert (digits.model, digits.shape, digits.images) == ("resnet8", (1, 8, 8), 1257)
    assert (own.model, own.shape, own.images) == ("plain14", (3, 16, 16), 50_000)


@pytest.mark.parametrize("name", ["resnet8", "resnet8/8x8", "resnet8/2x8x8", "resnet8/1x8x9", "1x8x8", "resnet8/1x0x0"])
def test_a_name_that_is_no_work_is_refused(name):
    with pytest.raises(UserError, match="is no work; write a model and the shape of its images"):
        work(name)


def test_a_run_is_what_its_work_says(compose):
    run = run_of(work("resnet20/3x32x32"), compose, 128, "bf16")
    chosen = run.choices
    assert (chosen["model"], chosen["batch_size"], chosen["precision"]) == ("resnet20", 128, "bf16")
    assert (chosen["dataset.channels"], chosen["dataset.size"], chosen["dataset.crop"]) == (3, 32, 4)
    assert (chosen["dataset.train"], chosen["dataset.flip"]) == (45_000, True)
    assert model_of(run, (3, 32, 32), 10).conv1.in_channels == 3
    narrow = run_of(work("resnet20(width=8)/1x8x8"), compose, 64, "fp32")
    assert (narrow.choices["model"], narrow.choices["model.width"]) == ("resnet20", 8)


@pytest.mark.parametrize("size", [1, 1258])
def test_a_batch_that_does_not_fit_an_epoch_is_refused(compose, size):
    with pytest.raises(UserError, match="does not fit 1257 images; choose 2 to 1257"):
        run_of(work("resnet8/1x8x8"), compose, size, "fp32")
