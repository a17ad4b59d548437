import pytest

from bench import registry
from bench.schema import UserError

TEXT = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, width: int = 8, slope=0.1, source=None, needs=None):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3), nn.GroupNorm(2, width), nn.LeakyReLU(slope))

    def forward(self, x):
        return self.layers(x)


def taking(num_classes, depth, normalization=nn.BatchNorm2d):
    return nn.Sequential(nn.Conv2d(3, depth, 3), normalization(depth), nn.SiLU())


def load(count: int):
    return None
"""


DECORATED = """
from torch import nn
from bench.registry import model


@model
def decorated(shape, classes, activation, normalization, residual, *, width: int):
    return nn.Sequential(nn.Conv2d(shape[0], width, 3), normalization(width), nn.GELU())
"""


@pytest.fixture
def home(write_module):
    return write_module(TEXT)


def test_a_model_by_its_name_has_its_source_and_what_it_brings_along_in_its_choices(runs_of, home):
    (run,) = runs_of(f"model={home}:Net")
    mine = {key: value for key, value in run.choices.items() if key.partition(".")[0] in ("model", "activation")}
    assert mine["model.source"].startswith("sha256:")
    assert mine == {"model": f"{home}:Net", "model.source": mine["model.source"], "activation": "own: LeakyReLU"}
    assert run.choices["normalization"] == "own: GroupNorm"
    assert {"activation", "normalization"}.isdisjoint(run.functions)


def test_it_stands_in_an_axis_beside_options_which_keep_their_ids(runs_of, home):
    ours, own = runs_of(f"model=resnet20,{home}:Net")
    assert [ours.id] == [run.id for run in runs_of("model=resnet20")]
    assert (ours.choices["activation"], own.choices["activation"]) == ("relu", "own: LeakyReLU")


def test_its_arguments_are_those_of_its_signature_in_their_types(runs_of, home):
    widths = runs_of(f"model={home}:Net", "model.width=4,8", "model.slope=1")
    assert [(run.choices["model.width"], repr(run.choices["model.slope"])) for run in widths] == [
        (4, "1.0"),
        (8, "1.0"),
    ]
    with pytest.raises(UserError, match=r"no argument of own_.*:Net is named 'model.widht'; did you mean model.width"):
        runs_of(f"model={home}:Net", "model.widht=4")
    with pytest.raises(UserError, match=r"model.width takes a whole number, not 'wide'"):
        runs_of(f"model={home}:Net", "model.width=wide")
    with pytest.raises(UserError, match=r"no argument of own_.*:Net is named 'model.source'"):
        runs_of(f"model={home}:Net", "model.source=mine")
    with pytest.raises(UserError, match=r":taking needs a value for depth; write model.depth=VALUE"):
        runs_of(f"model={home}:taking")


def test_an_axis_is_real_where_the_model_takes_it_and_refused_where_it_does_not(runs_of, home):
    runs = runs_of(f"model={home}:taking", "model.depth=4", "normalization=batch,none")
    assert [run.choices["normalization"] for run in runs] == ["batch", "none"]
    assert all(run.functions["normalization"] == run.choices["normalization"] for run in runs)
    for words in (["activation=relu"], ["activation=relu,tanh", "normalization=batch"]):
        with pytest.raises(UserError, match=r":taking takes no activation: it has SiLU; leave activation=\.\.\. out"):
            runs_of(f"model={home}:taking", "model.depth=4", *words)


def test_a_registered_model_that_ignores_its_activation_says_what_it_has(runs_of, write_module, monkeypatch):
    monkeypatch.setitem(registry._functions, "model", registry.functions("model"))
    (run,) = runs_of(f"model={write_module(DECORATED)}:decorated", "model.width=4")
    assert (run.choices["activation"], run.choices["normalization"]) == ("own: GELU", "batch")
    assert run.choices["model.source"].startswith("sha256:")


def test_a_model_of_a_library_has_its_version(runs_of):
    (run,) = runs_of("model=torchvision:resnet18", "normalization=none")
    assert run.choices["model.source"].startswith("torchvision 0.")
    assert (run.choices["activation"], run.choices["normalization"]) == ("own: ReLU", "none")


def test_trained_weights_are_no_argument(runs_of):
    with pytest.raises(UserError, match=r"no argument of torchvision:resnet18 is named 'model.weights'"):
        runs_of("model=torchvision:resnet18", "model.weights=DEFAULT")


def test_a_dataset_by_its_name_has_the_options_of_every_dataset(runs_of, home):
    (run,) = runs_of(f"dataset={home}:load", "dataset.count=5", "dataset.validation=7")
    mine = {key: value for key, value in run.choices.items() if key.partition(".")[0] == "dataset"}
    assert mine.pop("dataset.source").startswith("sha256:")
    assert mine == {
        "dataset": f"{home}:load",
        "dataset.count": 5,
        "dataset.validation": 7,
        "dataset.test": None,
        "dataset.layout": None,
        "dataset.subset": None,
        "dataset.split_seed": None,
        "dataset.crop": 0,
        "dataset.flip": False,
        "dataset.checksum": None,
    }
    with pytest.raises(UserError, match=r":load needs a value for count; write dataset.count=VALUE"):
        runs_of(f"dataset={home}:load")
