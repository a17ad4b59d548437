"""What does not fit together is told from a mistake: a sweep leaves the one out, and ends at the other."""

import itertools

import pytest
import torch
from torch import nn

from bench.api import initialize
from bench.parts.gain import gain
from bench.parts.initializer.layers import restart_others
from bench.parts.model.layer import refuse_other_than_sum
from bench.schema import Unfit, UserError


class Rotation(nn.Module):
    """A module with a parameter that no initializer knows."""

    def __init__(self):
        super().__init__()
        self.angle = nn.Parameter(torch.ones(3, 3))


def plain(*widths):
    return nn.Sequential(*(nn.Conv2d(*pair, 3) for pair in itertools.pairwise(widths)))


@pytest.mark.parametrize(
    ("name", "model", "reason"),
    [
        ("fixup", plain(3, 8, 8), "the model has no residual branches"),
        ("taki", plain(3, 8, 8), "the model has no residual branches"),
        ("delta_orthogonal", plain(8, 3), "a convolution has 8 inputs and 3 outputs, which are fewer"),
        ("conv_orthogonal", plain(8, 3), "a convolution has 8 inputs and 3 outputs, which are fewer"),
        ("looks_linear", plain(3, 5, 8), "it pairs channels, and a layer has 3 inputs and 5 outputs"),
        ("looks_linear", nn.Conv2d(4, 4, 3, groups=2), "a convolution has groups, which split the channels"),
    ],
)
def test_a_model_that_lacks_what_an_initializer_needs_is_unfit_for_a_short_reason(name, model, reason):
    with pytest.raises(Unfit) as raised:
        initialize(model, name)
    assert raised.value.reason.startswith(reason)


def test_a_model_with_a_parameter_that_no_initializer_knows_is_unfit():
    with pytest.raises(Unfit) as raised:
        restart_others(Rotation())
    assert raised.value.reason == "no initializer knows the parameters of Rotation"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("hanin", {"residual": "average"}), ("sparse", {"connections": 0}), ("he_normal", {"mode": "fan"}), ("he", {})],
)
def test_a_wrong_word_or_number_is_a_mistake(name, arguments):
    with pytest.raises(UserError) as raised:
        initialize(plain(3, 8, 8), name, **arguments)
    assert not isinstance(raised.value, Unfit)


def test_an_activation_without_the_gain_that_an_arm_asks_for_is_unfit():
    for ask in (lambda: gain(torch.zeros_like), lambda: gain(lambda x: x.softmax(0))):
        with pytest.raises(Unfit):
            ask()


def test_a_form_of_block_that_a_model_does_not_have_is_unfit_and_names_the_models_that_do():
    with pytest.raises(Unfit, match="it has no branches; take model=resnet") as raised:
        refuse_other_than_sum("fixup", "it has no branches")
    assert raised.value.reason == "it has no branches"
