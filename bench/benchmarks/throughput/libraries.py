"""How each library fills a target by a law; a library that has no such law, or is not installed, gives None.

In: a law's name and a target. Out: a function that fills the target once per call. Touches: the target, when called.

A peer gets the call that its users write, with the same law: Keras and JAX cut their he_normal, so here they draw
variance scaling without a cut. torch.nn.init and timm fill whole models by the loop of torchvision's ResNet,
which leaves the norms' running statistics as they are; ours restarts them, since a model may have run before.
"""

import importlib
import importlib.metadata
import importlib.util
import itertools
import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Generator, Tensor, nn

from bench import catalogue
from bench.benchmarks.throughput.target import Target
from bench.parts.initializer import streams
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import bound, draw, laws
from bench.parts.initializer.variance_scaling import TRUNCATED_STD
from bench.registry import find

Fill = Callable[[], object]
Library = Callable[[str, Target], Fill | None]

STANDARD: dict[str, Callable[..., None]] = {
    "normal": streams.normal,
    "uniform": streams.uniform,
    "truncated_normal": streams.truncated_normal,
}
LAWS = (*STANDARD, "he_normal", "glorot_uniform", "lecun_normal", "orthogonal")
PEERS = {"timm": "timm", "keras": "keras", "jax": "jax"}  # a library -> the module that it needs
UNIFORM = {"uniform", "glorot_uniform"}  # the other laws are made of normal numbers


def initbench(law: str, target: Target) -> Fill | None:
    """Ours: the law of a tensor, or the initializer of that name over a model."""
    stream = Generator().manual_seed(0)
    if law in STANDARD:
        return None if target.model else on_cpu(STANDARD[law], target, stream)
    option = catalogue.options("initializer")[law]
    initializer, arguments = find("initializer", option["function"]), catalogue.arguments(option)
    if target.model:
        return partial(initializer, target.model, stream, None, **arguments)
    return on_cpu(bound(laws[option["function"]], **arguments), target, stream)


def on_cpu(law: Callable[..., None], target: Target, stream: Generator) -> Fill:
    """The law on the tensor itself, or, since it draws on the CPU only, on a copy that then goes to the device."""
    if target.device.type == "cpu":
        return partial(law, target.weights[0], stream)
    return partial(draw, target.weights[0], law, stream)


def torch_init(law: str, target: Target) -> Fill | None:
    """torch.nn.init, which has no law that is truncated and scaled by a fan: users compute its deviation."""

    def lecun_normal(weight: Tensor) -> None:
        std = math.sqrt(1 / fans(weight)[0]) / TRUNCATED_STD
        nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std)

    calls: dict[str, Callable[[Tensor], object]] = {
        "normal": nn.init.normal_,
        "uniform": nn.init.uniform_,
        "truncated_normal": nn.init.trunc_normal_,
        "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
        "glorot_uniform": nn.init.xavier_uniform_,
        "lecun_normal": lecun_normal,
        "orthogonal": nn.init.orthogonal_,
    }
    return over(calls[law], target)


def timm(law: str, target: Target) -> Fill | None:
    """timm's truncated normal law and its variance scaling."""
    room = importlib.import_module("timm.layers")
    calls: dict[str, Callable[[Tensor], object]] = {
        "truncated_normal": partial(room.trunc_normal_, a=-2.0, b=2.0),
        "he_normal": partial(room.variance_scaling_, scale=2.0, mode="fan_in", distribution="normal"),
        "glorot_uniform": partial(room.variance_scaling_, scale=1.0, mode="fan_avg", distribution="uniform"),
        "lecun_normal": room.lecun_normal_,
    }
    return over(calls[law], target) if law in calls else None


def over(law: Callable[[Tensor], object], target: Target) -> Fill:
    """The law on a tensor, or on every layer of a model, its biases at 0 and its norms at 1 and 0."""
    model = target.model
    if model is None:
        return partial(law, target.weights[0])

    def recipe() -> None:
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                law(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    return recipe


def keras(law: str, target: Target) -> Fill | None:
    """Keras' initializers, on the backend of KERAS_BACKEND, or else torch."""
    if target.model or target.device.type != "cpu":
        return None
    os.environ.setdefault("KERAS_BACKEND", "torch")
    room = importlib.import_module("keras")
    seed, calls = room.random.SeedGenerator(0), room.initializers
    initializer = {
        "normal": partial(calls.RandomNormal, 0.0, 1.0),
        "uniform": partial(calls.RandomUniform, 0.0, 1.0),
        "truncated_normal": partial(calls.TruncatedNormal, 0.0, 1.0),
        "he_normal": partial(calls.VarianceScaling, 2.0, "fan_in", "untruncated_normal"),
        "glorot_uniform": calls.GlorotUniform,
        "lecun_normal": calls.LecunNormal,
        "orthogonal": calls.Orthogonal,
    }[law](seed=seed)
    return partial(_awaited, initializer, outputs_last(target))


def jax(law: str, target: Target) -> Fill | None:
    """JAX's initializers, compiled, with a key of its own for each call."""
    if target.model or target.device.type != "cpu":
        return None
    room = importlib.import_module("jax")
    calls = room.nn.initializers
    initializer = {
        "normal": partial(calls.normal, 1.0),
        "uniform": partial(calls.uniform, 1.0),
        "truncated_normal": partial(calls.truncated_normal, 1.0),
        "he_normal": partial(calls.variance_scaling, 2.0, "fan_in", "normal"),
        "glorot_uniform": calls.glorot_uniform,
        "lecun_normal": calls.lecun_normal,
        "orthogonal": calls.orthogonal,
    }[law]()
    shape, seeds = outputs_last(target), itertools.count()
    compiled = room.jit(lambda seed: initializer(room.random.key(seed), shape))
    return lambda: _awaited(compiled, next(seeds))


def generator(law: str, target: Target) -> Fill:
    """A limit: one stream of torch's generator, over as many numbers in one tensor, as the law draws them."""
    return target.flat.uniform_ if law in UNIFORM else target.flat.normal_


def memory(law: str, target: Target) -> Fill:
    """A limit: zeros written over as many numbers in one tensor."""
    return target.flat.zero_


def outputs_last(target: Target) -> tuple[int, ...]:
    """The shape as Keras and JAX have it: kernel, inputs, outputs."""
    return tuple(reversed(target.weights[0].shape))


def _awaited(draw: Callable[[Any], Any], argument: Any) -> None:
    """Wait for the numbers themselves: JAX returns an array before it is filled."""
    getattr(draw(argument), "block_until_ready", lambda: None)()


LIBRARIES: dict[str, Library] = {
    "initbench": initbench,
    "torch.nn.init": torch_init,
    "torch.nn.init again": torch_init,  # the control: its difference is noise
    "timm": timm,
    "keras": keras,
    "jax": jax,
    "generator": generator,
    "memory": memory,
}


def installed() -> dict[str, str | None]:
    """The version of each peer, None where it is not installed."""
    present = {name for name, module in PEERS.items() if importlib.util.find_spec(module)}
    return {name: importlib.metadata.version(name) if name in present else None for name in PEERS}
