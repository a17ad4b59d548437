"""A recorded forward pass has every operation on the signal, under the name and of the kind that a reader expects."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench import diagnose
from bench.signal.measure import measure
from bench.signal.operations import ACTIVATION, JOIN, LAYER, NORM, OTHER

IMAGES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
WORDS = torch.randint(50, (16, 7), generator=torch.Generator().manual_seed(0))
SERIES = torch.randn(16, 7, 8, generator=torch.Generator().manual_seed(0))


class Called(nn.Module):
    """A net whose forward pass is the function it is given, of the net and the input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.call = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        return self.call(self, x)


def operations(model, batch):
    return diagnose(model, batch).measurements[0].operations


def kinds(model, batch):
    return [(one.name, one.kind) for one in operations(model, batch)]


def test_functional_operations_are_seen_beside_modules():
    def forward(net, x):
        h = F.relu(net.stem(x))
        return net.head((h + net.body(h)).mean((2, 3)))

    net = Called(forward, stem=nn.Conv2d(3, 8, 3), body=nn.Conv2d(8, 8, 3, padding=1), head=nn.Linear(8, 5))
    assert kinds(net, IMAGES) == [
        ("stem", LAYER),
        ("relu", ACTIVATION),
        ("body", LAYER),
        ("add", JOIN),
        ("mean", OTHER),
        ("head", LAYER),
    ]
    relu, body, add = operations(net, IMAGES)[1:4]
    assert (body.inputs, add.inputs) == ((relu.place,), (relu.place, body.place))


def test_a_number_or_a_parameter_is_no_second_term_of_a_sum():
    class Shifted(nn.Linear):
        def forward(self, x):
            return super().forward(x + self.bias.mean()) + 1

    assert [kind for _, kind in kinds(Shifted(3, 3), torch.randn(16, 3))] == [OTHER, LAYER, OTHER]


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU(inplace=True), F.relu_, lambda x: F.relu(x, inplace=True)])
def test_an_activation_in_place_measures_what_one_beside_it_does(relu):
    layers = nn.Linear(192, 32), nn.Linear(32, 5)
    net = Called(lambda net, x: net.out(relu(net.first(x.flatten(1)))), first=layers[0], out=layers[1])
    plain = Called(lambda net, x: net.out(F.relu(net.first(x.flatten(1)))), first=layers[0], out=layers[1])
    for one, other in zip(operations(net, IMAGES), operations(plain, IMAGES), strict=True):
        assert (one.kind, one.second_moment, one.gradient) == (other.kind, other.second_moment, other.gradient)
        assert (one.dead, one.saturated) == (other.dead, other.saturated)


def test_a_module_that_is_called_twice_is_numbered():
    part = nn.Linear(8, 8)
    net = nn.Sequential(part, nn.Tanh(), part)
    assert [one.name for one in operations(net, torch.randn(16, 8))] == ["0", "1", "0 #2"]


def test_a_tied_weight_has_the_gradient_of_all_its_uses():
    net = Called(lambda net, x: net.out(net.words(x).mean(1)), words=nn.Embedding(50, 16), out=nn.Linear(16, 50))
    net.out.weight = net.words.weight
    (weight,) = diagnose(net, WORDS).measurements[0].weights.values()
    assert weight.gradient > 0


def test_integers_go_through_an_embedding():
    net = Called(lambda net, x: net.out(net.words(x).mean(1)), words=nn.Embedding(50, 16), out=nn.Linear(16, 5))
    measured = diagnose(net, WORDS).measurements[0]
    assert [one.name for one in measured.operations] == ["words", "mean", "out"]
    assert measured.jacobian is None  # integers have no derivative


def test_recurrence_attention_and_transformers_are_recorded_as_they_run():
    lstm = Called(
        lambda net, x: net.out(net.lstm(x)[0][:, -1]), lstm=nn.LSTM(8, 16, batch_first=True), out=nn.Linear(16, 5)
    )
    assert [one.name for one in operations(lstm, SERIES)] == ["lstm", "getitem", "out"]
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = kinds(block, SERIES)
    assert [name for name, kind in found if kind == JOIN] == ["add", "add #2"]
    assert [name for name, kind in found if kind == NORM] == ["norm1", "norm2"]
    assert [name for name, kind in found if kind == LAYER] == ["linear1", "linear2"]


def test_the_first_tensor_of_a_tuple_or_a_dictionary_is_measured():
    several = Called(lambda net, x: {"count": 3, "logits": net.out(x)}, out=nn.Linear(8, 5))
    found = diagnose(several, torch.randn(16, 8)).measurements[0]
    assert found.classes == 5
    assert found.remarks == ("the model returns 2 values; the first tensor is measured",)


def test_a_weight_that_torch_computes_is_a_layer_without_numbers():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 5)), nn.ReLU(), nn.Linear(5, 3))
    frame = diagnose(net, torch.randn(16, 8)).layers
    assert list(frame["kind"]) == [LAYER, ACTIVATION, LAYER]
    assert frame["gain"].isna().tolist() == [True, True, False]


def test_constant_units_are_dead_and_flat_ones_saturated():
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([-1e3, -1e3, 1e3, 1e3]))
    relu = operations(net, torch.randn(64, 8))[1]
    assert (relu.dead, relu.saturated, relu.clipped) == (0.5, 0.5, 0.0)
    tanh = operations(nn.Sequential(nn.Linear(8, 400), nn.Tanh(), nn.Linear(400, 2)), 1e4 * torch.randn(64, 8))[1]
    assert tanh.saturated > 0.99
    assert tanh.clipped == pytest.approx(1, abs=0.02)


def test_one_number_for_the_whole_batch_is_an_operation_too():
    net = Called(lambda net, x: net.out(x) * torch.sigmoid(net.out(x).mean()), out=nn.Linear(8, 5))
    sigmoid = next(one for one in operations(net, torch.randn(16, 8)) if one.function == "sigmoid")
    assert (sigmoid.shape, sigmoid.dead) == ((), None)
    assert sigmoid.gradient > 0


def test_nothing_keeps_what_a_forward_pass_computed():
    seen = []

    def forward(net, x):
        hidden = net.first(x)
        seen.append(weakref.ref(hidden))
        return net.out(F.relu(hidden))

    net = Called(forward, first=nn.Linear(8, 5), out=nn.Linear(5, 3))
    gc.disable()  # a cycle would stay until it runs
    try:
        found = measure(net, torch.randn(16, 8))
    finally:
        gc.enable()
    assert found.operations
    assert [one() for one in seen if one() is not None] == []
