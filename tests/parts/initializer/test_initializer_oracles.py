"""The laws named after Keras and JAX are what Keras and JAX draw; skipped where they are not installed ([oracle])."""

import os
import warnings
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from bench import catalogue
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
