"""Modules whose weights are computed, quantized or drawn elsewhere are refused in a sentence; scales are kept."""

import copy
import random

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations, prune

from bench import UserError, initialize


def computed() -> dict[str, nn.Module]:
    norm = parametrizations.weight_norm
    return {
        "LSTM, by a hook": nn.utils.spectral_norm(nn.LSTM(16, 32), "weight_hh_l0"),
        "ConvTranspose2d, by a hook": nn.utils.spectral_norm(nn.ConvTranspose2d(3, 4, 3)),
        "Embedding": norm(nn.Embedding(4, 3)),
        "LSTM": norm(nn.LSTM(3, 4), "weight_hh_l0"),
        "ConvTranspose2d": norm(nn.ConvTranspose2d(3, 4, 3)),
        "MultiheadAttention": norm(nn.MultiheadAttention(4, 2), "in_proj_weight"),
        "LayerNorm": norm(nn.LayerNorm([3, 4])),
        "orthogonal": parametrizations.orthogonal(nn.Linear(3, 3)),
        "pruned": prune.random_unstructured(nn.GRU(3, 4), "weight_hh_l0", 0.5),
    }


@pytest.mark.parametrize("others", ["error", "keep", "fill"])
@pytest.mark.parametrize("name", computed())
def test_a_weight_that_is_computed_from_others_is_refused(name, others):
    model = nn.Sequential(nn.Linear(2, 2), computed()[name])
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UserError, match=r"^(weight|in_proj).* is computed from other parameters; initialize before"):
        initialize(model, "he_normal", others=others)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.filterwarnings("ignore")
def test_weight_norm_of_the_old_kind_is_refused():
    with pytest.raises(UserError, match="weight_hh_l0 of LSTM is computed from other parameters"):
        initialize(nn.utils.weight_norm(nn.LSTM(16, 32), "weight_hh_l0"), "he_normal")


@pytest.mark.filterwarnings("ignore")
def test_quantized_and_scripted_parts_are_refused():
    plain = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    quantized = torch.ao.quantization.quantize_dynamic(plain)
    for model in (quantized, nn.Sequential(quantized, nn.Linear(2, 2))):
        with pytest.raises(UserError, match="Linear has quantized weights; initialize before quantizing"):
            initialize(model, "he_normal")
    with pytest.raises(UserError, match="TorchScript; initialize before scripting"):
        initialize(torch.jit.script(plain), "he_normal")
    initialize(nn.Sequential(torch.ao.nn.quantized.FloatFunctional(), nn.Linear(2, 2)), "he_normal")


class Drawn(nn.Module):
    """A layer that draws its parameter itself."""

    def __init__(self, draw):
        super().__init__()
        self.weight, self.draw = nn.Parameter(torch.zeros(3)), draw

    @torch.no_grad()
    def reset_parameters(self):
        self.weight.copy_(torch.as_tensor([self.draw() for _ in range(3)]))


OWN = np.random.default_rng(0)
DRAWS = {
    "torch": lambda: torch.rand(()),
    "numpy": lambda: np.random.rand(),  # noqa: NPY002
    "random": lambda: random.choice([-1.0, 1.0]),
    "own": lambda: OWN.random(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_layer_that_draws_by_whatever_generator_is_found(name):
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    with pytest.raises(UserError, match=r"no initializer knows 0.weight; give the module a reset_parameters\(\) with"):
        initialize(nn.Sequential(Drawn(DRAWS[name])), "he_normal")
    assert states[:2] == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    assert torch.equal(states[2], torch.get_rng_state())


@pytest.mark.parametrize("name", ["torch", "numpy", "random"])
def test_torchs_default_for_a_layer_that_draws_is_its_own_by_the_seed(name):
    one, again, other = (initialize(Drawn(DRAWS[name]), "torch_default", seed=seed).weight for seed in (0, 0, 3))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_generator_that_no_seed_reaches_is_refused():
    with pytest.raises(UserError, match="draws from a generator of its own"):
        initialize(Drawn(DRAWS["own"]), "torch_default")


def test_scales_per_channel_are_kept_whatever_their_shape():
    model = initialize(torchvision.models.convnext_tiny(), "he_normal", others="fill")
    scales = [value for name, value in model.named_parameters() if name.endswith("layer_scale")]
    assert len(scales) == 18
    assert all((scale == 1e-6).all() for scale in scales)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 1, 1), (1, 5), (1, 1, 5, 1), (1, 1), ()])
def test_a_vector_has_one_long_axis_at_most(shape):
    module = nn.Module()
    module.scale, module.bias_of = (nn.Parameter(torch.full(shape, 3.0)) for _ in range(2))
    initialize(module, "he_normal", others="fill")
    assert (module.scale == 3).all()
    assert (module.bias_of == 0).all()


class Sequences(nn.Module):
    """A net of layers that torch keeps in one parameter, around layers that it does not."""

    def __init__(self, middle):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(6, 8), middle, nn.Linear(8, 3)

    def forward(self, x):
        x = self.first(x)
        x = self.middle(x, x, x) if isinstance(self.middle, nn.MultiheadAttention) else self.middle(x)
        return self.last((x[0] if isinstance(x, tuple) else x).mean(1))


MIDDLES = {
    "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"),
}


@pytest.mark.parametrize(("name", "few"), [("metainit", {"steps": 2}), ("gradinit", {"iterations": 3})])
@pytest.mark.parametrize("middle", MIDDLES)
def test_a_scheme_that_learns_scales_learns_those_of_the_projections_of_attention(middle, name, few):
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(12, 5, 6, generator=generator), torch.arange(12) % 3
    start, learned = (
        initialize(Sequences(MIDDLES[middle]()), name, batch=batch, **(few | changed))
        for changed in ({next(iter(few)): 0}, {})
    )
    ratios = {key: learned.get_parameter(key) / value for key, value in start.named_parameters() if value.dim() > 1}
    for key in (key for key in ratios if key.endswith(("in_proj_weight", "out_proj.weight", "first.weight"))):
        torch.testing.assert_close(ratios[key], ratios[key].mean().expand_as(ratios[key]), msg=key)
        assert ratios[key].mean() != 1
