"""Any class or function that makes a torch module, as a model: of torchvision, of timm, of the user's own.

In: a class or function, what a run has. Out: a module. Touches: torch's global generator, as its code does.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakSet

import torch
from torch import nn

from bench import source
from bench.parts.ambient import generators_kept
from bench.parts.arguments import SUM
from bench.parts.initializer.fans import Layer
from bench.parts.model.contents import contents
from bench.parts.model.fit import Fitted, fit, passes
from bench.parts.model.layer import Activation, Normalization, Shape, refuse_other_than_sum
from bench.registry import opener
from bench.schema import UserError
from bench.source import explained

Make = Callable[..., nn.Module]

CLASSES = ("num_classes", "classes", "n_classes")
CHANNELS = ("in_channels", "in_chans", "channels")
SIZE = ("image_size", "img_size")
PARTS = {"activation": ("activation", "act_layer"), "normalization": ("normalization", "norm_layer")}
PLACEHOLDERS: dict[str, Make] = {"activation": nn.ReLU, "normalization": nn.BatchNorm2d}
UNSAID = {"activation": {"inplace", "device", "dtype"}, "normalization": {"device", "dtype"}}  # in calls of these
TRAINED = ("weights", "progress", "pretrained", "pretrained_cfg", "checkpoint_path")  # of torchvision and timm
ALONE = {"aux_logits": False}  # without which torchvision's Inception and GoogLeNet return more than the logits

USUAL: Shape = (3, 224, 224)  # of an image, where no data is at hand
MANY = 1000  # classes, likewise
PROBED = 7  # channels, which no model has by itself
SIZES = (16, 28, 32, 64, 96, 128, 224, 299)  # of images that a model may take where it takes no smaller ones

_fitted: dict[object, Fitted] = {}
_made: WeakSet[nn.Module] = WeakSet()


@opener("model")
@dataclass(frozen=True, eq=False)
class Own:
    """A model by its name: what `registry.model` registers, made of a class or function without a decorator."""

    name: str
    factory: Make
    arguments: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self._key == other._key

    @property
    def _key(self) -> tuple[str, Make, str]:
        return self.name, self.factory, repr(self.arguments)

    def __call__(
        self,
        shape: Shape,
        classes: int,
        activation: Activation | None,
        normalization: Normalization | None,
        residual: str,
    ) -> nn.Module:
        """The model, its first and last layer fitted to shape and classes where its arguments do not do that.

        Without an activation or a normalization it has its own. Raises UserError where it cannot be built, or trained
        on images of this shape.
        """
        refuse_other_than_sum(residual, f"{self.name} has blocks of its own")
        parts = {"activation": activation, "normalization": normalization}
        key = (self, shape, classes, repr(parts))
        try:
            model = self.made(shape, classes, parts)
            if key not in _fitted:
                with generators_kept():  # dropout draws in the step that is tried, once in a process
                    _fitted[key] = fit(self.name, model, shape, classes)
        except UserError as refused:
            self._refuse_size(refused, shape, parts)
            raise
        return _fitted[key].apply(model, shape)

    def fitted(
        self, shape: Shape, classes: int, activation: Activation | None, normalization: Normalization | None
    ) -> Fitted:
        """What was fitted when it was built for these."""
        parts = {"activation": activation, "normalization": normalization}
        return _fitted[self, shape, classes, repr(parts)]

    def known(self) -> Mapping[str, inspect.Parameter]:
        """The arguments that a command line may give it; none loads weights, which the initializer would replace."""
        return {name: one for name, one in parameters(self).items() if name not in TRAINED}

    def supplied(self) -> set[str]:
        """Those of them that it gets from the run."""
        return {*self._sizes(USUAL, MANY), *(name for names in PARTS.values() for name in names)}

    def made(self, shape: Shape, classes: int, parts: Mapping[str, Make | None]) -> nn.Module:
        """What the class or function makes of its arguments and what it takes of these.

        Raises UserError where it fails, or makes something else than a new module.
        """
        given = {**self._sizes(shape, classes), **self._handed(parts), **self.arguments}
        with warnings.catch_warnings(), explained(f"{self.name} cannot be built"):
            warnings.simplefilter("ignore", FutureWarning)  # of torchvision, on the weights that it draws itself
            model = self.factory(**given)
        if not isinstance(model, nn.Module):
            raise UserError(f"{self.name} makes an object of {type(model).__name__}, and a model is a torch.nn.Module")
        if model in _made:
            raise UserError(
                f"{self.name} returns the same object at each call; make a new module, or runs share weights"
            )
        _made.add(model)
        return model

    def _sizes(self, shape: Shape, classes: int) -> dict[str, Any]:
        """The sizes of the run that it takes, by the names that it has for them."""
        channels, height, width = shape
        known = parameters(self)
        given: dict[str, Any] = {name: value for name, value in ALONE.items() if name in known}
        for names, value in ((CLASSES, classes), (CHANNELS, channels), (SIZE, height if height == width else None)):
            taken = [name for name in names if name in known and _takes_number(known[name])]
            taken = [name for name in taken if name != "channels" or _is_of_images(self)]
            given |= {name: value for name in taken[:1] if value is not None}
        return given

    def _handed(self, parts: Mapping[str, Make | None]) -> dict[str, Any]:
        """The activation and the normalization of the run, in the form that its default has.

        An argument that has no default, and that it does not use, gets what fills its place.
        """
        given = {}
        for word, placeholder in PLACEHOLDERS.items():
            make = parts.get(word) or (placeholder if self.needs(word) else None)
            if make and (name := self.argument_of(word)):
                given[name] = _in_form(parameters(self)[name].default, word, make)
        return given

    def argument_of(self, word: str) -> str | None:
        """Its argument for an activation or a normalization, None where it has none."""
        return next((name for name in PARTS[word] if name in parameters(self) and name not in self.arguments), None)

    def needs(self, word: str) -> bool:
        """Whether it has such an argument and no default for it."""
        name = self.argument_of(word)
        return name is not None and parameters(self)[name].default is inspect.Parameter.empty

    def _refuse_size(self, refused: UserError, shape: Shape, parts: Mapping[str, Make | None]) -> None:
        """Raise UserError with a size of images that it takes, if only these are too small for it."""
        channels, height, width = shape

        def takes(size: int) -> bool:
            try:
                with torch.device("meta"):
                    made = self.made((channels, size, size), MANY, parts)
                    return passes(made, torch.zeros(2, channels, size, size))
            except Exception:  # of its own code, which may need values
                return False

        if height != width or takes(height):
            return
        if size := next((size for size in SIZES if size > height and takes(size)), None):
            raise UserError(
                f"{refused}. It takes images of {size}x{size}: dataset=digits_resized dataset.size={size}, "
                f"or dataset=synthetic dataset.size={size}"
            ) from refused


@functools.cache
def parameters(own: Own) -> dict[str, inspect.Parameter]:
    """The arguments that it takes by name, those of the module's class included that a function passes on."""
    found, others = source.parameters(own.factory)
    if not others or isinstance(own.factory, type):
        return found
    kept = {name: value for name, value in own.arguments.items() if name in found}
    for arguments in (own.arguments, kept):
        with warnings.catch_warnings(), suppress(Exception):  # of its own code: it may need what only a run has
            warnings.simplefilter("ignore")
            made = anywhere(functools.partial(own.factory, **arguments))
            passed_on = {name: one for name, one in source.parameters(type(made))[0].items() if name not in found}
            return found | {name: one for name, one in passed_on.items() if _reaches(own, one)}
    return found


def _reaches(own: Own, parameter: inspect.Parameter) -> bool:
    """Whether an argument of the module's class may be given to the function, which may give it itself."""
    if parameter.default is not parameter.empty:
        return True
    usual = {**dict.fromkeys(CLASSES, MANY), **dict.fromkeys(CHANNELS, USUAL[0]), **dict.fromkeys(SIZE, USUAL[1])}
    with suppress(Exception):  # of its own code, that it gets two values
        if value := usual.get(parameter.name):
            anywhere(functools.partial(own.factory, **{**own.arguments, parameter.name: value}))
            return True
    return False


def anywhere(make: Callable[[], nn.Module]) -> nn.Module:
    """What a function makes, on the meta device, where nothing is computed, or on the CPU if its code needs values."""
    try:
        with torch.device("meta"):
            return make()
    except Exception:  # of its own code; if it is wrong, it fails on the CPU too
        return make()


def _takes_number(parameter: inspect.Parameter) -> bool:
    default = parameter.default
    return default in (parameter.empty, None) or type(default) is int


@functools.cache
def _is_of_images(own: Own) -> bool:
    """Whether its argument `channels` is that of the images, rather than the width of the net."""
    known = parameters(own)
    usual = {name: value for names, value in ((CLASSES, MANY), (SIZE, USUAL[1])) for name in names if name in known}
    given = {**usual, **own._handed({}), **own.arguments, "channels": PROBED}
    try:
        made = anywhere(functools.partial(own.factory, **given))
    except Exception:  # of its own code
        return known["channels"].default is inspect.Parameter.empty
    first = next((module for module in made.modules() if isinstance(module, Layer)), None)
    inputs = getattr(first, "in_features", getattr(first, "in_channels", 0))
    return bool(inputs) and not inputs % PROBED


def _in_form(default: Any, word: str, make: Make) -> Any:
    """The run's callable, or a module of it where the default is a module, or a function of tensors as F.relu is."""
    if isinstance(default, nn.Module):
        return make()
    if word == "activation" and isinstance(default, FunctionType | BuiltinFunctionType):
        try:
            default()
        except Exception:  # it takes a tensor
            return make()
    return _counted(word, make, [])


def _counted(word: str, make: Make, calls: list[None]) -> Make:
    """The callable, which leaves an entry at each call, as a function: timm asks for one, or a class.

    What else a call says of the module is not for it to say: an activation is never in place, and all are moved later.
    """

    def counted(*arguments: Any, **said: Any) -> nn.Module:
        if other := said.keys() - UNSAID[word]:
            raise TypeError(f"the {word} of a run takes no {min(other)}")
        calls.append(None)
        return make(*arguments)

    return counted


def labels(name: str, build: Make, asked: Collection[str]) -> dict[str, str]:
    """The choices of activation and normalization, in words, where they are the model's own; others are the run's.

    `build` is what `registry.build` returns, and `asked` has the words that an axis names. A default that the model has
    for the other words stays. Raises UserError for an asked one that the model does not take.
    """
    needed = [word for word in PARTS if not isinstance(build, Own) or build.needs(word)]
    taken = [word for word in PARTS if word in asked and isinstance(build, Own) and _takes(name, build, word)]
    found = _looked(name, build, [*needed, *taken])
    if refused := [word for word in found if word in asked]:
        has = " and ".join(found[word].partition(": ")[2] or "its own" for word in refused)
        raise UserError(
            f"{name} takes no {' and no '.join(refused)}: it has {has}; leave {'=... and '.join(refused)}=... out, "
            "or sweep other models in a command of their own"
        )
    return found


def _takes(name: str, own: Own, word: str) -> bool:
    """Whether it has an argument for this word, and takes a callable that makes modules there."""
    needed = [other for other in PARTS if own.needs(other)]
    try:
        return own.argument_of(word) is not None and word not in _looked(name, own, [*needed, word])
    except UserError:  # an argument of that name that takes something else
        return False


def _looked(name: str, build: Make, handed: Collection[str]) -> dict[str, str]:
    """The labels of a model that is built with the parts that are handed over, without the words that it used."""
    calls: dict[str, list[None]] = {word: [] for word in PARTS}
    parts = {word: _counted(word, PLACEHOLDERS[word], calls[word]) for word in handed}

    def make() -> nn.Module:
        if isinstance(build, Own):
            return build.made(USUAL, MANY, parts)
        return build(USUAL, MANY, *parts.values(), SUM)

    with explained(f"{name} cannot be built"):
        has = contents(anywhere(make))
    return {word: has.label(word) for word in PARTS if not calls[word]}
