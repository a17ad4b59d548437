"""The registry: a name in conf/ -> a function in bench/parts, a task in bench/train/task, or either in a user's module.

In: a run, or a word and a function's name. Out: the function. Touches: imports, nothing else.
"""

import difflib
import functools
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable
from enum import EnumType
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from bench import source
from bench.bounds import checked
from bench.schema import WORDS, Run, UserError

Function = TypeVar("Function", bound=Callable[..., Any])

SHOWN = 20  # names in a sentence
# by kind of name, the command that lists all of them
LISTS = {word: f"list {word}" for word in WORDS} | {"key": "COMMAND --help", "law of one tensor": "list initializer"}

OPEN = ("model", "dataset")  # words that take a class or function without a decorator
BASES = {"model": "torch.nn.modules.module.Module", "dataset": "torch.utils.data.dataset.Dataset"}
SHORT = {  # (word, library) -> its module that has such parts
    ("model", "torchvision"): "torchvision.models",
    ("model", "timm"): "timm.models",
    ("dataset", "torchvision"): "torchvision.datasets",
}

SOURCE = "source"  # the argument that every part of the user's own has in its choices, beside those it takes

_functions: dict[str, dict[str, Callable[..., Any]]] = {word: {} for word in WORDS}
_openers: dict[str, Callable[..., Callable[..., Any]]] = {}


def _register(word: str, function: Function) -> Function:
    name = function.__name__
    other = _functions[word].setdefault(name, function)
    if (other.__module__, other.__qualname__) != (function.__module__, function.__qualname__):
        raise ValueError(f"two functions are called {name!r}: {other.__module__} and {function.__module__}")
    return function


def opener(word: str) -> Callable[[Function], Function]:
    """Register `function(name, found, arguments)`: what a class or function without a decorator becomes."""

    def register(function: Function) -> Function:
        _openers[word] = function
        return function

    return register


def task(kind: Function) -> Function:
    """Register a class that extends bench.train.contract.Task and takes its arguments by keyword."""
    return _register("task", kind)


def model(function: Function) -> Function:
    """Register `function(shape, classes, activation, normalization, residual, *, ...) -> nn.Module`.

    `shape` is (channels, height, width), `activation()` a new module, `normalization(channels)` another. `residual` is
    how a branch is joined to its shortcut: "sum" unless the initializer's argument of that name asks for another form.
    """
    return _register("model", function)


def normalization(function: Function) -> Function:
    """Register `function(channels) -> nn.Module`, a new module at each call."""
    return _register("normalization", function)


def activation(function: Function) -> Function:
    """Register `function(*, ...) -> nn.Module`, a new module at each call."""
    return _register("activation", function)


def initializer(function: Function) -> Function:
    """Register `function(model, generator, batch, *, ...) -> None`, which fills every parameter in place."""
    return _register("initializer", function)


def dataset(function: Function) -> Function:
    """Register `function(root, download, run_seed, *, ...) -> Dataset`; see `bench.parts.dataset.tensors.reader`.

    `run_seed` is the seed of the run, for data whose split follows it.
    """
    return _register("dataset", function)


def optimizer(function: Function) -> Function:
    """Register `function(model, *, learning_rate, ...) -> torch.optim.Optimizer`."""
    return _register("optimizer", function)


def schedule(function: Function) -> Function:
    """Register `function(progress, *, ...) -> float`: what the learning rate is multiplied with at a share (0..1)."""
    return _register("schedule", function)


def find(word: str, name: str) -> Callable[..., Any]:
    """The function registered for `word` under `name`, or "module:name" in a module of the user's own or a library.

    A model or a dataset of such a module needs no decorator. Raises UserError, with the nearest known names, when there
    is none.
    """
    if ":" in name:
        home, bare = _home(word, name), name.rpartition(":")[2]
        if not (home and bare):
            raise UserError(f"{name} names no {word}; write MODULE:NAME")
        return _find_own(word, home, bare)
    _import_all("bench.train.task" if word == "task" else f"bench.parts.{word}")
    if name not in _functions[word]:
        raise UserError(unknown(word, name, _functions[word]))
    return _functions[word][name]


def _find_own(word: str, home: str, bare: str) -> Callable[..., Any]:
    module = source.module(home)
    found, registered = vars(module).get(bare), _functions[word].get(bare)
    if registered and registered.__module__ in (home, getattr(found, "__module__", home)):
        return registered
    if found is None:
        raise UserError(unknown(f"{word} in {home}", bare, _names(word, module) or ["none"]))
    if reason := _unfit(word, module, found):
        raise UserError(f"no {word} is named {home}:{bare}: {reason}")
    function: Callable[..., Any] = found
    return function


def _unfit(word: str, module: ModuleType, found: object) -> str:
    """Why what has no decorator cannot stand behind the word, "" where it can.

    A yaml may be a stranger's, so a library's functions, such as subprocess.run, are out of its reach.
    """
    if not isinstance(found, type | FunctionType | functools.partial):
        kind = "a module" if isinstance(found, ModuleType) else f"an object of {type(found).__name__}"
        return f"this is {kind}, neither a class nor a function; name what makes the {word}"
    if word not in OPEN:
        return f"write @{word} above it, from bench.registry"
    bases = [f"{base.__module__}.{base.__name__}" for base in getattr(found, "__mro__", ())]
    library = source.is_library(getattr(module, "__file__", None) or "<built-in>")
    if library and module.__name__ not in SHORT.values() and BASES[word] not in bases:
        return f"of a library, only a class that extends {BASES[word]} can be; call it in a function of your own"
    return ""


def _names(word: str, module: ModuleType) -> list[str]:
    """The public functions and classes of a module, without those that it imports from elsewhere.

    The libraries with short names have a function for each model, and classes that need more than a run has.
    """
    by_function = word == "model" and module.__name__ in SHORT.values()
    kinds = FunctionType if by_function else type | FunctionType
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, kinds) and not isinstance(value, EnumType) and not name.startswith("_")
        if value.__module__.startswith(module.__name__)
    ]


def is_registered(word: str, function: Callable[..., Any]) -> bool:
    """Whether a function has a decorator, and so takes what the decorator says."""
    return any(function is one for one in _functions[word].values())


def functions(word: str) -> dict[str, Callable[..., Any]]:
    """What is registered for `word` so far, by name."""
    return dict(_functions[word])


def build(run: Run, word: str) -> Callable[..., Any]:
    """The function behind `word` in this run, its keyword arguments filled from the run's choices.

    Raises UserError when conf/ and the function disagree about the arguments, or the source of the function has changed
    since the run was planned.
    """
    name, arguments = run.functions[word], run.arguments(word)
    function = find(word, name)
    if is_own(word, name):
        _refuse_changed(word, name, arguments.pop(SOURCE))
        if not is_registered(word, function):
            _import_all(f"bench.parts.{word}")
            return _openers[word](name, function, arguments)
    wanted = keyword_arguments(function)
    if set(wanted) != set(arguments):
        takes, given = (", ".join(sorted(names)) or "none" for names in (wanted, arguments))
        raise UserError(f"{word} {run.choices[word]} takes the arguments {takes}; conf/ gives {given}")
    prefix = "" if word == "task" else f"{word}."
    fitting = {name: checked(f"{prefix}{name}", value, wanted[name]) for name, value in arguments.items()}
    return functools.partial(function, **fitting)


def is_own(word: str, name: str) -> bool:
    """Whether a function is of a module of the user's own or a library, and its word is open to such."""
    return ":" in name and word in OPEN


def source_of(word: str, name: str) -> str:
    """What the source of "module:name" is: see `bench.source.source`."""
    return source.source(_home(word, name))


def _refuse_changed(word: str, name: str, planned: str) -> None:
    if (now := source_of(word, name)) != planned:
        raise UserError(f"the source of {name} was {planned} when this run was planned and is {now} now; start anew")


def _home(word: str, name: str) -> str:
    home = name.rpartition(":")[0]
    return SHORT.get((word, home), home)


@functools.cache
def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments that conf/ has to give, each with its type."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return {one.name: hints.get(one.name, Any) for one in parameters if one.kind is one.KEYWORD_ONLY}


def refuse_unknown(word: str, name: str, known: Iterable[str]) -> None:
    """Raise UserError for a name that does not exist."""
    if name not in (names := list(known)):
        raise UserError(unknown(word, name, names))


def unknown(word: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: the nearest ones, and all of them or the command that lists them."""
    known = sorted(known)
    if not known:
        return f"no {word} is named {name!r}; there is none"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    rest = f", ... ({len(known)} in all)" if len(known) > SHOWN else ""
    named = f"Known: {', '.join(known[:SHOWN])}{rest}"
    if rest and word in LISTS:
        named = f"`python -m bench {LISTS[word]}` lists all {len(known)}"
    return f"no {word} is named {name!r}{hint} {named}"


@functools.cache
def _import_all(module_name: str) -> None:
    module = importlib.import_module(module_name)
    if module_name.startswith("bench."):
        for part in pkgutil.iter_modules(getattr(module, "__path__", ())):
            importlib.import_module(f"{module_name}.{part.name}")
