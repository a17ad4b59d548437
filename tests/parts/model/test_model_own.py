import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.model.own import Own, labels
from bench.schema import UserError

SHAPE = (1, 8, 8)


class Net(nn.Module):
    """A convolution, a mean, a linear layer."""

    def __init__(self, num_classes: int = 5, in_channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.head = nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.conv(x)).mean((2, 3)))
        return out


def built(factory, classes=10, shape=SHAPE, activation=None, normalization=None, **arguments) -> nn.Module:
    return Own("nets:net", factory, arguments)(shape, classes, activation, normalization, "sum")


def test_sizes_go_to_the_arguments_that_are_named_for_them():
    net = built(Net)
    assert (net.conv.in_channels, net.head.out_features) == (1, 10)
    assert built(Net, in_channels=1).conv.in_channels == 1


def test_an_argument_that_a_function_passes_on_to_its_class_is_one_of_its_own():
    def net(**words):
        return Net(**words)

    assert built(net).head.out_features == 10
    assert {*Own("n", net, {}).known()} == {"num_classes", "in_channels"}


def test_channels_that_are_the_width_of_a_net_stay_what_they_are():
    def net(channels: int = 16, classes: int = 10):
        layers = nn.Conv2d(3, channels, 3), nn.Flatten(), nn.LazyLinear(classes)
        return nn.Sequential(*layers)

    def needing(classes, channels: int = 16):
        return net(channels, classes)

    assert built(net)[0].out_channels == built(needing)[0].out_channels == 16


def test_layers_that_do_not_fit_are_fitted_and_this_is_said():
    own = Own("nets:net", lambda: Net(7), {})
    net = own(SHAPE, 10, None, None, "sum")
    assert net(torch.zeros(3, *SHAPE)).shape == (3, 10)
    assert (net.conv.in_channels, net.head.out_features) == (1, 10)
    assert own.fitted(SHAPE, 10, None, None).remarks == (
        "the layer conv was fitted: 1 in the place of 3 inputs, as the images have",
        "the layer head was fitted: 10 in the place of 7 outputs, one for each class",
    )


def test_a_flat_net_is_fitted_to_the_pixels():
    net = built(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)))
    assert net[1].in_features == math.prod(SHAPE)


def test_lazy_layers_get_their_shape():
    net = built(lambda classes: nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(classes)))
    assert net[2].in_features == 4 * 6 * 6


def test_a_forward_pass_that_fails_in_channels_last_gets_contiguous_images():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(256, 10)

        def forward(self, x):
            return self.head(self.conv(x).view(len(x), -1))

    own = Own("nets:net", Flat, {})
    net = own((3, 8, 8), 10, None, None, "sum")
    assert own.fitted((3, 8, 8), 10, None, None).contiguous
    assert net(torch.zeros(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)).shape == (2, 10)


def test_the_activation_and_the_normalization_come_in_the_form_of_their_defaults():
    def net(classes, activation, normalization=nn.BatchNorm2d):
        return nn.Sequential(nn.Conv2d(1, 4, 3), normalization(4), activation(inplace=True), nn.Flatten()).append(
            nn.LazyLinear(classes)
        )

    made = built(net, activation=nn.SiLU, normalization=lambda channels: nn.GroupNorm(2, channels))
    assert [type(made[1]), type(made[2])] == [nn.GroupNorm, nn.SiLU]
    assert not made[2].inplace
    for default in (nn.ReLU(), F.relu):

        def by_value(classes, activation=default):
            net = Net(classes, 1)
            net.activation = activation
            return net

        assert type(built(by_value, activation=nn.Tanh).activation) is nn.Tanh


@pytest.mark.parametrize("asked", [(), ("normalization",)])
def test_labels_say_what_a_model_has_where_the_run_gives_none(asked):
    def net(activation, normalization=nn.InstanceNorm2d):
        return nn.Sequential(nn.Conv2d(3, 4, 3), normalization(4), activation())

    own = {} if asked else {"normalization": "own: InstanceNorm2d"}
    assert labels("nets:net", Own("nets:net", net, {}), asked) == own


def test_an_asked_activation_that_a_model_does_not_use_is_refused():
    def ignoring(activation=nn.SiLU):
        return Net()

    def by_name(activation="relu"):
        return nn.Sequential(nn.Conv2d(3, 4, 3), {"relu": nn.ReLU}[activation]())

    for net in (Net, ignoring, by_name):
        with pytest.raises(UserError, match=r"nets:net takes no activation: it has ReLU; leave activation=\.\.\. out"):
            labels("nets:net", Own("nets:net", net, {}), ("activation",))


def test_a_registered_model_that_ignores_its_activation_is_labelled_by_what_it_has():
    def registered(shape, classes, activation, normalization, residual):
        return nn.Sequential(nn.Conv2d(3, 4, 3), normalization(4), nn.GELU())

    assert labels("nets:net", registered, ()) == {"activation": "own: GELU"}


class Tuple(Net):
    def forward(self, x):
        return super().forward(x), x


class Auxiliary(Net):
    def forward(self, x):
        return {"logits": super().forward(x)} if self.training else super().forward(x)


class Two(Net):
    def forward(self, x, mask):
        return super().forward(x) * mask


class Loss(Net):
    def forward(self, x):
        return super().forward(x).square().mean()


class Words(Net):
    def forward(self, x):
        return F.embedding(x, self.head.weight)


class Wrong(Net):
    def forward(self, x):
        return self.haed(x)


class InPlace(Net):
    def forward(self, x):
        x = self.conv(x).sigmoid()
        y = x * x
        x += 1
        return self.head(y.mean((2, 3)))


class Detached(Net):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


SHARED = Net()


class Small(Net):
    def forward(self, x):
        return super().forward(F.max_pool2d(x, 10))


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (Tuple, r"returns a tuple, .* one tensor of logits \(n, 10\)"),
        (Auxiliary, "returns a dict"),
        (Two, "takes x and mask; a model here takes images alone"),
        (Loss, r"gives torch.float32 of shape \(\) for 2 images"),
        (Words, "an embedding, which takes whole numbers, not images .*test_model_own.py, line"),
        (Wrong, "forward pass fails: AttributeError: .*'haed' .*test_model_own.py, line"),
        (InPlace, "the backward pass fails: .*inplace operation"),
        (Small, r"Output size is too small .* It takes images of 16x16: dataset=digits_resized dataset.size=16"),
        (Detached, "logits that depend on no parameter that learns"),
        (lambda: 3, "makes an object of int"),
        (lambda: 1 / 0, "cannot be built: ZeroDivisionError: .*test_model_own.py, line"),
    ],
)
def test_what_cannot_train_is_refused_in_a_sentence(net, sentence):
    with pytest.raises(UserError, match=f"nets:net.* {sentence}"):
        built(net)


def test_a_function_that_returns_one_module_again_and_again_is_refused():
    built(lambda: SHARED)
    with pytest.raises(UserError, match="nets:net returns the same object at each call"):
        built(lambda: SHARED)


def test_an_activation_without_a_default_that_is_not_used_gets_what_fills_its_place():
    def ignoring(num_classes, activation):
        return Net(num_classes)

    assert labels("nets:net", Own("nets:net", ignoring, {}), ())["activation"] == "own: ReLU"
    assert built(ignoring).head.out_features == 10


def test_another_form_of_residual_is_refused():
    with pytest.raises(UserError, match="residual=fixup is not for this model: nets:net has blocks of its own"):
        Own("nets:net", Net, {})(SHAPE, 10, None, None, "fixup")


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "googlenet", "vit_b_32"])
def test_models_of_torchvision_take_small_grey_images(name):
    from torchvision import models

    net = Own(f"torchvision:{name}", getattr(models, name), {})((1, 32, 32), 10, None, None, "sum")
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
