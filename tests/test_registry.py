import sys
from types import ModuleType

import pytest
from torch import nn

from bench import registry
from bench.schema import Run, UserError


class Net(nn.Module):
    pass


@pytest.fixture
def nets(monkeypatch):
    """A module of the user's own."""
    module = ModuleType("nets17")
    module.__file__ = __file__
    vars(module).update(Net=Net, net=Net(), nn=nn)
    monkeypatch.setitem(sys.modules, "nets17", module)
    return module


def test_a_class_of_ones_own_needs_no_decorator(nets):
    assert registry.find("model", "nets17:Net") is Net


def test_a_model_of_a_library_is_found_by_its_short_name():
    from torchvision.models import resnet18

    assert registry.find("model", "torchvision:resnet18") is resnet18
    with pytest.raises(UserError, match=r"no model in torchvision\.models is named 'resnt18'; did you mean resnet18"):
        registry.find("model", "torchvision:resnt18")


@pytest.mark.parametrize(("name", "kind"), [("net", "an object of Net"), ("nn", "a module")])
def test_what_makes_no_model_is_refused(nets, name, kind):
    with pytest.raises(UserError, match=f"this is {kind}, neither a class nor a function"):
        registry.find("model", f"nets17:{name}")


@pytest.mark.parametrize("name", [":Net", "nets17:", ":"])
def test_half_a_name_is_refused(name):
    with pytest.raises(UserError, match=f"{name} names no model; write MODULE:NAME"):
        registry.find("model", name)


def test_other_words_need_their_decorator(nets):
    with pytest.raises(UserError, match="write @initializer above it"):
        registry.find("initializer", "nets17:Net")


def test_a_name_of_ours_is_not_found_in_a_module_of_the_user(nets):
    registry.find("model", "resnet")
    with pytest.raises(UserError, match="no model in nets17 is named 'resnet'"):
        registry.find("model", "nets17:resnet")


def test_a_source_that_changed_after_the_plan_is_refused():
    name = "torchvision:resnet18"
    run = Run("mine", {"model": name, "model.source": "torchvision 0.1"}, {"model": name})
    with pytest.raises(
        UserError, match=r"the source of torchvision:resnet18 was torchvision 0\.1 when .* is torchvision"
    ):
        registry.build(run, "model")
