"""The lines that draw the weights of an arm: by torch's nn.init alone, by bench.initialize, in Keras and in JAX.

In: an option of conf/, the arguments of an arm. Out: lines of code. Touches: nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import catalogue

TRUNCATED_STD = 0.87962566103423978  # of N(0, 1) cut at ±2, as Keras and JAX have it
SHORT = {  # of variance scaling by distribution, mode and gain² scale: the call that torch has for it
    ("normal", "fan_in", 2.0): 'kaiming_normal_(w, nonlinearity="relu")',
    ("normal", "fan_out", 2.0): 'kaiming_normal_(w, mode="fan_out", nonlinearity="relu")',
    ("normal", "fan_in", 1.0): 'kaiming_normal_(w, nonlinearity="linear")',
    ("normal", "fan_avg", 1.0): "xavier_normal_(w)",
    ("uniform", "fan_in", 2.0): 'kaiming_uniform_(w, nonlinearity="relu")',
    ("uniform", "fan_out", 2.0): 'kaiming_uniform_(w, mode="fan_out", nonlinearity="relu")',
    ("uniform", "fan_in", 1.0): 'kaiming_uniform_(w, nonlinearity="linear")',
    ("uniform", "fan_avg", 1.0): "xavier_uniform_(w)",
}
FANS = {
    "fan_in": "w[0].numel()",
    "fan_out": "w[:, 0].numel()",
    "fan_avg": "(w[0].numel() + w[:, 0].numel()) / 2",
}
DRAWS = {  # s is the standard deviation, for "truncated_uncorrected" before the cut
    "normal": "normal_(w, 0, s)",
    "uniform": "uniform_(w, -s * 3**0.5, s * 3**0.5)",
    "truncated": "trunc_normal_(w, 0, s / 0.87962566, -2 * s / 0.87962566, 2 * s / 0.87962566)",
    "truncated_uncorrected": "trunc_normal_(w, 0, s, -2 * s, 2 * s)",
}
KERAS = {
    "normal": "untruncated_normal",
    "uniform": "uniform",
    "truncated": "truncated_normal",
    "truncated_uncorrected": "truncated_normal",
}
JAX = KERAS | {"normal": "normal"}
SCALED = tuple(f"{prefix}variance_scaling" for prefix in ("", "torch_", "keras_", "jax_", "paddle_"))
WITH_DATA = ("data_dependent_norm", "gradinit", "lsuv", "lsuv_port", "metainit")  # functions that look at images


@dataclass(frozen=True)
class Code:
    """Lines for one arm, for networks without grouped convolutions; None where a library has no line for the law."""

    torch: str | None
    initialize: str
    keras: str | None
    jax: str | None


@dataclass(frozen=True)
class Lines:
    """The lines of a law: what fills a weight w by nn.init, and the initializers of Keras and JAX."""

    torch: tuple[str, ...]
    keras: str
    jax: str


def code(name: str, given: Mapping[str, Any], activation: str) -> Code:
    """The lines of an arm with these arguments, beside this activation, by which some choose their gain."""
    option = catalogue.options("initializer").get(name, {})
    usual = catalogue.arguments(option)
    arguments = {**usual, **given}
    found = _lines(str(option.get("function")), arguments)
    changed = {key: value for key, value in given.items() if usual.get(key) != value}
    words = [f'"{name}"', *(f"{key}={value!r}" for key, value in changed.items())]
    words += [f'activation="{activation}"'] * any(isinstance(one, str) for one in (arguments.get("gain"),))
    words += ["batch=images"] * (option.get("function") in WITH_DATA)
    call = f"from bench import initialize\n\ninitialize(model, {', '.join(words)}, seed=0)"
    return Code(_loop(found.torch), call, found.keras, found.jax) if found else Code(None, call, None, None)


def _lines(function: str, arguments: Mapping[str, Any]) -> Lines | None:
    """The lines of a function of conf/initializer; None where a line of nn.init cannot do what it does."""
    if function in SCALED and isinstance(arguments["gain"], float):
        distribution, mode = arguments["distribution"], arguments["mode"]
        return _scaled(float(f"{arguments['scale'] * arguments['gain'] ** 2:.12g}"), mode, distribution)
    if function == "normal":
        std = arguments["std"]
        draw, keras = f"nn.init.normal_(w, 0, {std!r})", f"keras.initializers.RandomNormal(stddev={std!r})"
        return Lines((draw,), keras, f"jax.nn.initializers.normal({std!r})")
    if function == "orthogonal" and isinstance(gain := arguments["gain"], float):
        keras = f"keras.initializers.Orthogonal(gain={gain!r})"
        return Lines((f"nn.init.orthogonal_(w, {gain!r})",), keras, f"jax.nn.initializers.orthogonal({gain!r})")
    if function == "torch_default":  # biases are uniform too, which no initializer of a weight can say
        return Lines((), *_elsewhere(1 / 3, "fan_in", "uniform"))
    return None


def _scaled(scale: float, mode: str, distribution: str) -> Lines:
    """The law of variance scale / n."""
    short = SHORT.get((distribution, mode, scale))
    draw = (f"s = ({scale!r} / ({FANS[mode]})) ** 0.5", f"nn.init.{DRAWS[distribution]}")
    return Lines((f"nn.init.{short}",) if short else draw, *_elsewhere(scale, mode, distribution))


def _elsewhere(scale: float, mode: str, distribution: str) -> tuple[str, str]:
    """In Keras and in JAX, which always correct a truncated law for its cut."""
    factor = scale * TRUNCATED_STD**2 if distribution == "truncated_uncorrected" else scale
    shown = f"{factor:.10g}"
    return (
        f'keras.initializers.VarianceScaling(scale={shown}, mode="{mode}", distribution="{KERAS[distribution]}")',
        f'jax.nn.initializers.variance_scaling({shown}, "{mode}", "{JAX[distribution]}")',
    )


def _loop(draw: tuple[str, ...]) -> str:
    """The lines for every convolution and linear layer, their biases 0; without a draw, what torch itself does."""
    start = "from torch import nn\n\nfor layer in model.modules():\n    if isinstance(layer, (nn.Conv2d, nn.Linear)):\n"
    if not draw:
        return f"{start}        layer.reset_parameters()"
    body = "".join(f"        {line}\n" for line in ("w = layer.weight", *draw, "if layer.bias is not None:"))
    return f"{start}{body}            nn.init.zeros_(layer.bias)"
