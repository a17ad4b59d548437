"""The laws named after Keras, JAX and torchvision are what their layers draw; skipped where they are not installed."""

import os
import warnings
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from bench import catalogue, initialize
from bench.registry import find

KEY = 0
SHAPE = (3, 3, 40, 100)  # of a kernel in their layout: height, width, inputs, outputs

# our name -> their class, or their function and its arguments
KERAS = {
    "keras_glorot_uniform": "GlorotUniform",
    "keras_glorot_normal": "GlorotNormal",
    "keras_he_uniform": "HeUniform",
    "keras_he_normal": "HeNormal",
    "keras_lecun_uniform": "LecunUniform",
    "keras_lecun_normal": "LecunNormal",
    "keras_random_uniform": "RandomUniform",
    "keras_random_normal": "RandomNormal",
    "keras_truncated_normal": "TruncatedNormal",
    "variance_scaling": "VarianceScaling",
    "zeros": "Zeros",
}
JAX = {
    "keras_glorot_uniform": "glorot_uniform",
    "keras_glorot_normal": "glorot_normal",
    "keras_he_uniform": "he_uniform",
    "keras_he_normal": "he_normal",
    "keras_lecun_uniform": "lecun_uniform",
    "flax_default": "lecun_normal",
    "jax_uniform": "uniform",
    "jax_normal": "normal",
    "jax_truncated_normal": "truncated_normal",
}


def installed(name: str) -> ModuleType:
    """The module, imported without its own warnings, or a skipped test."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def ours(name: str, seed: int = 1) -> np.ndarray:
    option = catalogue.options("initializer")[name]
    layer = nn.Conv2d(SHAPE[2], SHAPE[3], SHAPE[:2])
    initializer = partial(find("initializer", option["function"]), **catalogue.arguments(option))
    initializer(layer, torch.Generator().manual_seed(seed), None)
    return layer.weight.detach().numpy().ravel()


def same_law(one: np.ndarray, other: np.ndarray) -> bool:
    return stats.ks_2samp(one, other).pvalue > 1e-4


@pytest.mark.parametrize("name", KERAS)
def test_keras_draws_the_law_that_has_its_name(name):
    initializers = installed("keras").initializers
    build = getattr(initializers, KERAS[name])
    theirs = build() if KERAS[name] == "Zeros" else build(seed=KEY)
    assert same_law(ours(name), np.asarray(theirs(SHAPE)).ravel())


@pytest.mark.parametrize("name", JAX)
def test_jax_draws_the_law_that_has_its_name(name):
    jax = installed("jax")
    theirs = getattr(jax.nn.initializers, JAX[name])()(jax.random.key(KEY), SHAPE, np.float32)
    assert same_law(ours(name), np.asarray(theirs).ravel())


def test_an_oracle_tells_the_laws_apart():
    assert not same_law(ours("keras_he_normal"), ours("he_normal"))
    assert not same_law(ours("keras_lecun_normal"), ours("tf_variance_scaling"))


def test_jax_delta_orthogonal_has_its_norm_and_its_zeros():
    jax = installed("jax")
    theirs = np.asarray(jax.nn.initializers.delta_orthogonal()(jax.random.key(KEY), SHAPE, np.float32))
    mine = ours("delta_orthogonal").reshape(SHAPE[3], SHAPE[2], 3, 3).transpose(2, 3, 1, 0)
    assert ((mine != 0) == (theirs != 0)).all()
    for kernel in (mine, theirs):
        assert np.allclose(kernel[1, 1] @ kernel[1, 1].T, np.eye(SHAPE[2]), atol=1e-5)


def test_jax_delta_orthogonal_has_its_tap_left_of_the_middle_of_an_even_kernel():
    jax = installed("jax")
    theirs = np.asarray(jax.nn.initializers.delta_orthogonal()(jax.random.key(KEY), (2, 4, 3, 5), np.float32))
    layer = initialize(nn.Conv2d(3, 5, (2, 4)), "delta_orthogonal")
    mine = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
    assert ((mine != 0).any((2, 3)) == (theirs != 0).any((2, 3))).all()


# whole layers: the deviation over draws, of layers that count their fans each in its own way

LAYERS = {  # ours, the parameter that theirs corresponds to, theirs in Keras and in Flax, the shape of its input
    "grouped": (
        lambda: nn.Conv2d(24, 36, (3, 5), groups=4),
        "weight",
        lambda k, law: k.Conv2D(36, (3, 5), groups=4, kernel_initializer=law),
        lambda f, law: f.Conv(36, (3, 5), feature_group_count=4, kernel_init=law),
        (1, 8, 8, 24),
    ),
    "depthwise": (
        lambda: nn.Conv2d(24, 72, 3, groups=24),
        "weight",
        lambda k, law: k.DepthwiseConv2D(3, depth_multiplier=3, depthwise_initializer=law),
        lambda f, law: f.Conv(72, (3, 3), feature_group_count=24, kernel_init=law),
        (1, 8, 8, 24),
    ),
    "depthwise, 1d": (
        lambda: nn.Conv1d(30, 30, 4, groups=30),
        "weight",
        lambda k, law: k.DepthwiseConv1D(4, depthwise_initializer=law),
        lambda f, law: f.Conv(30, (4,), feature_group_count=30, kernel_init=law),
        (1, 8, 30),
    ),
    "transposed": (
        lambda: nn.ConvTranspose2d(6, 50, (4, 3)),
        "weight",
        lambda k, law: k.Conv2DTranspose(50, (4, 3), kernel_initializer=law),
        lambda f, law: f.ConvTranspose(50, (4, 3), kernel_init=law),
        (1, 8, 8, 6),
    ),
    "lstm": (
        lambda: nn.LSTM(32, 48),
        "weight_ih_l0",
        lambda k, law: k.LSTM(48, kernel_initializer=law),
        lambda f, law: f.RNN(f.LSTMCell(48, kernel_init=law)),
        (1, 5, 32),
    ),
    "attention": (
        lambda: nn.MultiheadAttention(40, 4),
        "in_proj_weight",
        lambda k, law: k.MultiHeadAttention(4, 10, kernel_initializer=law),
        lambda f, law: f.MultiHeadDotProductAttention(4, kernel_init=law),
        (1, 5, 40),
    ),
}
LAWS = ["glorot_normal", "he_normal", "lecun_uniform"]


def deviation(kind: str, name: str) -> float:
    build, parameter = LAYERS[kind][:2]
    weights = [initialize(build(), name, seed=seed).get_parameter(parameter) for seed in range(60)]
    return float(torch.stack(weights).detach().std())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_of_keras_has_the_deviation_of_the_law_of_keras(kind, law):
    keras = installed("keras")
    (*_, build, _, shape), drawn = LAYERS[kind], []
    for _ in range(60):
        layer = build(keras.layers, law)
        layer(*[np.zeros(shape, np.float32)] * (2 if kind == "attention" else 1))
        drawn.append(np.asarray(layer.weights[0].value.detach().cpu()))
    assert deviation(kind, f"keras_{law}") == pytest.approx(np.stack(drawn).std(), rel=0.04)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_of_flax_has_the_deviation_of_its_default(kind):
    jax, linen = installed("jax"), installed("flax.linen")
    (*_, build, shape), drawn = LAYERS[kind], []
    layer = build(linen, jax.nn.initializers.lecun_normal())
    for seed in range(60):
        leaves = jax.tree_util.tree_flatten_with_path(layer.init(jax.random.key(seed), np.zeros(shape, np.float32)))[0]
        wanted = {"lstm": "'ii'", "attention": "'query'"}.get(kind, "")
        drawn += [np.asarray(leaf) for path, leaf in leaves if "'kernel'" in str(path) and wanted in str(path)]
    assert deviation(kind, "flax_default") == pytest.approx(np.stack(drawn).std(), rel=0.04)


@pytest.mark.parametrize("library", ["torchvision.models", "timm"])
def test_a_resnext_of_torchvision_and_timm_is_the_law_of_its_convolutions(library):
    package = installed(library)
    build = (
        package.resnext50_32x4d if library == "torchvision.models" else partial(package.create_model, "resnext50_32x4d")
    )
    torch.manual_seed(0)
    theirs, ours = build(), initialize(build(), "torchvision_conv")
    for (name, one), other in zip(ours.named_modules(), theirs.modules(), strict=True):
        if isinstance(one, nn.Conv2d):
            samples = (layer.weight.detach().flatten()[:20_000] for layer in (one, other))
            assert stats.ks_2samp(*samples).pvalue > 1e-5, name
