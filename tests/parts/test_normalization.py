"""Each normalization does to a batch what its name says, in a new module at each call."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from bench.registry import find

FOLDER = Path(__file__).parents[2] / "conf" / "normalization"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def function(name: str):
    return find("normalization", OmegaConf.load(FOLDER / f"{name}.yaml").function)


def images() -> torch.Tensor:
    return 3 + 2 * torch.randn(16, 5, 4, 4, generator=torch.Generator().manual_seed(0))


def test_batch_normalization_makes_every_channel_standard():
    out = function("batch")(5)(images())
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var((0, 2, 3), correction=0), torch.ones(5), rtol=1e-4, atol=0)


def test_none_changes_nothing_and_has_nothing_to_learn():
    module = function("none")(5)
    assert torch.equal(module(images()), images())
    assert not list(module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_each_call_gives_a_new_module_for_the_channels(name):
    build = function(name)
    assert build(5) is not build(5)
    assert build(5)(images()).shape == images().shape
