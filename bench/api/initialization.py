"""Initializes any torch module in place, or previews its weights.

In: a module, the name of an initializer in conf/. Out: the module, or a table. Touches: the module, if nothing failed.
"""

import functools
import numbers
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, overload

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bench import catalogue, registry
from bench.api.preview import Initializer, Preview, Recipe, Table, cell, previews
from bench.bounds import checked
from bench.parts import seeds
from bench.parts.ambient import neutral
from bench.parts.dataset.tensors import Split
from bench.parts.gain import gain as gain_of
from bench.parts.gain import resolved
from bench.parts.initializer.any_module import calls_resets, values_of
from bench.parts.initializer.copies import Slot, refuse_unwritable, write_back
from bench.parts.initializer.stand_ins import StandIns, is_lstm, refuse_unfillable
from bench.parts.initializer.torch_default import as_shipped
from bench.schema import Run, UserError

Module = TypeVar("Module", bound=nn.Module)
Activation = str | nn.Module | Callable[[Tensor], Tensor]
Batch = Tensor | tuple[Tensor, Tensor]


@overload
def initialize(
    module: Module,
    name: str,
    *,
    activation: Activation = ...,
    seed: int = ...,
    generator: Generator | None = ...,
    batch: Batch | None = ...,
    others: str = ...,
    forget_bias: float | None = ...,
    recurse: bool = ...,
    device: str | torch.device = ...,
    dry_run: Literal[False] = ...,
    **arguments: Any,
) -> Module: ...


@overload
def initialize(module: nn.Module, name: str, *, dry_run: Literal[True], **arguments: Any) -> Table[Preview]: ...


def initialize(
    module: nn.Module,
    name: str,
    *,
    activation: Activation = "relu",
    seed: int = 0,
    generator: Generator | None = None,
    batch: Batch | None = None,
    others: str = "error",
    forget_bias: float | None = None,
    recurse: bool = True,
    device: str | torch.device = "cpu",
    dry_run: bool = False,
    **arguments: Any,
) -> nn.Module | Table[Preview]:
    """Fill every parameter of a module, or of a part of one, by a law of conf/initializer; return the module.

    name: one of `initializers()`, or torch's own, as "kaiming_normal", with torch's fans; `arguments` override those it
        has there, such as scale=1.5 or gain="auto".
    activation: a name of conf/activation, a module or a callable; it decides gain="auto" and gain="critical".
    seed: the weights are those of a sweep's run of that seed, whatever the device, precision, layout and threads
        (orthogonal ones to their rounding, in which LAPACK depends on threads).
    generator: a CPU generator to draw from instead of `seed`; its state advances.
    batch: images (N, C, H, W), or (images, labels (N,)), normalized as for training; for laws that use data.
    others: parameters of modules without a rule are an "error"; "keep" leaves them as they are (on the meta device:
        as their own reset_parameters() draws them); "fill" draws matrices by the law, sets biases to 0, and keeps
        other vectors, such as a scale per channel of any shape (1 on the meta device). For attention, recurrent,
        transposed and embedding layers see `bench.parts.initializer.stand_ins`.
    forget_bias: the bias of the forget gate of every nn.LSTM and nn.LSTMCell, such as 1.0 (Jozefowicz et al. 2015);
        None leaves it to the initializer.
    recurse: False fills only what the module itself holds, as FSDP's param_init_fn and Module.apply want it, and needs
        a generator: FSDP(model, param_init_fn=partial(initialize, name="he_normal", recurse=False, generator=g)).
    device: where parameters of the meta device are allocated; others stay where they are.
    dry_run: return what each parameter would get, one `Preview` each, and change neither module nor generator.

    Values are drawn in float32 on the CPU and copied, so memory for one more float32 copy of the module is needed. A
    module sharded by FSDP2 (fully_shard, to_empty, initialize) gets the shards of what one process would have drawn.
    Raises UserError, and leaves module and generator unchanged, for an unknown name or argument, a shape that the law
    cannot fill, or missing data. Modes around the call, such as autocast, inference mode, a default dtype or device,
    change nothing; a module of torch.compile is filled as the module that it compiles.
    """
    if not isinstance(module, nn.Module):
        raise UserError(f"initialize takes a torch.nn.Module, not {type(module).__name__}")
    in_inference_mode = torch.is_inference_mode_enabled()
    with neutral():
        recipe, function = _recipe(name, arguments, activation, forget_bias)
        stream = _stream(seed, generator, recurse)
        split = None if batch is None else _split(batch)
        target = _device(device)
        original: nn.Module = getattr(module, "_orig_mod", module)  # torch.compile wraps it
        table: Table[Preview] = Table()

        def look(slots: Sequence[Slot], found: StandIns) -> None:
            if dry_run:
                table.extend(previews(original, slots, found, recipe))

        recurse = _reach(original, recurse, calls_resets(function), forget_bias)
        copies = values_of(
            original, name, function, stream, split, others=others, recurse=recurse, forget_bias=forget_bias, look=look
        )
        refuse_unwritable([slot for slot, _ in copies], in_inference_mode)
        if dry_run:
            return table
        write_back(copies, target)
    if generator is not None:
        generator.set_state(stream.get_state())
    return module


def _reach(module: nn.Module, recurse: bool, by_reset: bool, forget_bias: float | None) -> bool:
    """Whether the children of a module are filled too. Raises UserError for a module that cannot be filled so."""
    refuse_unfillable(module, recurse)
    recurse = recurse or (by_reset and isinstance(module, nn.MultiheadAttention))  # its reset sets a bias of its child
    if next(module.parameters(recurse), None) is None and recurse:
        raise UserError(
            f"{type(module).__name__} has no parameters to initialize; where each module is handed over by itself, "
            "as by FSDP's param_init_fn, set recurse=False and give a generator"
        )
    if forget_bias is not None and recurse and not any(map(is_lstm, module.modules())):
        raise UserError(f"forget_bias is for nn.LSTM and nn.LSTMCell, and {type(module).__name__} has none")
    return recurse


def gain(activation: Activation, kind: str = "second_moment", q: float = 1.0) -> float:
    """The gain of an activation: its name in conf/activation, a module or an elementwise callable.

    Laws, kinds and errors are those of `bench.parts.gain.gain`: 1 / sqrt(E[phi(z)²]), z ~ N(0, 1), by quadrature to
    1e-6; "critical" for the edge of chaos.
    """
    return gain_of(_function(activation), kind, q)


def initializers() -> Table[Initializer]:
    """Every initializer of conf/ by name, with its law, its source and its arguments."""
    options = _options("initializer").values()
    return Table(Initializer(one["name"], one["law"], one["source"], catalogue.arguments(one)) for one in options)


@functools.cache
def _options(word: str) -> dict[str, dict[str, Any]]:
    """conf/ is read once: FSDP passes hundreds of modules, one by one."""
    return catalogue.options(word)


def _recipe(
    name: str, given: dict[str, Any], activation: Activation, forget_bias: float | None
) -> tuple[Recipe, Callable[..., Any]]:
    """The initializer of that name: its arguments, checked against conf/, the gain as a number, and its function."""
    options, known = _options("initializer"), catalogue.canonical("initializer", name)
    if not isinstance(known, str) or known not in options:
        raise UserError(registry.unknown("initializer", str(name), options))
    option = options[known]
    if option["function"] == as_shipped.__name__:
        raise UserError(
            f"{name} keeps what the constructor of a model draws, and initialize calls no constructor: build the model "
            "again after torch.manual_seed(SEED), or take torch_default, the default of torch's layers"
        )
    torchs = name != known and "fans" in option  # an alias is torch's name, so its fans are torch's
    counted = f"torch_{option['function']}" if torchs else option["function"]
    defaults = catalogue.arguments(option)
    for key in given:
        if key not in defaults:
            raise UserError(registry.unknown(f"argument of {name}", key, defaults or ["none"]))
    phi = _function(activation)
    arguments = defaults | {
        key: value.item() if isinstance(value, np.generic) else value for key, value in given.items()
    }
    arguments |= resolved(arguments, phi)
    choices = {"initializer": name} | {f"initializer.{key}": value for key, value in arguments.items()}
    function = registry.build(Run("call", choices, {"initializer": counted}), "initializer")
    changed = ", ".join(f"{key}={cell(value)}" for key, value in arguments.items() if value != defaults[key])
    law = f"{option['law']}, but {changed}" if changed else option["law"]
    return Recipe(counted, arguments, law, checked("forget_bias", forget_bias, float | None)), function


def _function(activation: Activation) -> Callable[[Tensor], Tensor]:
    """The activation as a function; raises UserError for an unknown name and for anything that is not callable."""
    if isinstance(activation, str):
        options, name = _options("activation"), catalogue.canonical("activation", activation)
        registry.refuse_unknown("activation", name, options)
        option = options[name]
        built: nn.Module = registry.find("activation", option["function"])(**catalogue.arguments(option))
        return built
    if isinstance(activation, type) or not callable(activation):
        shown = f"the class {activation.__name__}" if isinstance(activation, type) else repr(activation)
        raise UserError(f"an activation is a name, a module such as torch.nn.Mish() or a callable, not {shown}")
    return activation


def _stream(seed: int, generator: Generator | None, recurse: bool) -> Generator:
    """The generator to draw from: the seed's, or a copy of the caller's, which an error must not advance."""
    if generator is None and not recurse:
        raise UserError("recurse=False needs a generator: from one seed, all layers of a shape would be alike")
    if generator is None:
        if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
            raise UserError(f"seed takes a whole number, not {seed!r}")
        return seeds.generator(int(seed), "init")
    if not isinstance(generator, Generator):
        raise UserError(f"generator takes a torch.Generator, not {generator!r}; a whole number is a seed")
    if generator.device.type != "cpu":
        raise UserError(f"weights are drawn on the CPU; give a generator of the CPU, not of {generator.device}")
    return generator.clone_state()


def _split(batch: Batch) -> Split:
    """A batch as float32 images and int64 labels on the CPU; images alone have no labels."""
    parts = batch if isinstance(batch, tuple | list) else (batch, torch.zeros(0, dtype=torch.int64))
    if len(parts) != 2 or not all(isinstance(one, Tensor) for one in parts):
        raise UserError("a batch is a tensor of images (N, C, H, W), or (images, labels)")
    images, labels = parts
    if images.is_complex() or images.is_meta or labels.is_meta:
        raise UserError(f"a batch has real numbers; these images are {images.dtype}, on the device {images.device}")
    if isinstance(batch, tuple | list) and labels.shape != images.shape[:1]:
        raise UserError(
            f"a batch of {len(images)} images has labels of shape {tuple(labels.shape)}; give one per image"
        )
    if labels.dtype.is_floating_point or labels.dtype.is_complex:
        raise UserError(f"the labels of a batch are {labels.dtype}; give the number of the class of each image")
    images, labels = (one.clone() if one.is_inference() else one for one in (images, labels))
    return Split(images.detach().to("cpu", torch.float32), labels.to("cpu", torch.int64))


def _device(device: str | torch.device) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)  # which finds out whether it is there
    except (RuntimeError, AssertionError) as error:
        cause = str(error).partition("\n")[0]
        raise UserError(f"no device is named {device!r} here ({cause}); for example cpu or cuda") from error
    if found.type == "meta":
        raise UserError("device=meta has no memory for values; take cpu or cuda")
    return found
