"""The registry: a name in conf/ -> a function in bench/parts, a task in bench/train/task, or either in a user's module.

In: a run, or a word and a function's name. Out: the function. Touches: imports, nothing else.
"""

import difflib
import functools
import importlib
import inspect
import pkgutil
import sys
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from bench.bounds import checked
from bench.schema import WORDS, Run, UserError

Function = TypeVar("Function", bound=Callable[..., Any])

SHOWN = 20  # names in a sentence
# by kind of name, the command that lists all of them
LISTS = {word: f"list {word}" for word in WORDS} | {"key": "COMMAND --help", "law of one tensor": "list initializer"}

_functions: dict[str, dict[str, Callable[..., Any]]] = {word: {} for word in WORDS}


def _register(word: str, function: Function) -> Function:
    name = function.__name__
    other = _functions[word].setdefault(name, function)
    if (other.__module__, other.__qualname__) != (function.__module__, function.__qualname__):
        raise ValueError(f"two functions are called {name!r}: {other.__module__} and {function.__module__}")
    return function


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
    """The function registered for `word` under `name`, or under "module:name" in a module of the user's own.

    Raises UserError, with the nearest known names, when there is none, and for a function without a decorator.
    """
    home, _, bare = name.rpartition(":")
    try:
        _import_all(home or ("bench.train.task" if word == "task" else f"bench.parts.{word}"))
    except ImportError as missing:
        raise UserError(f"{word} {name}: cannot import {home or word}: {missing}") from missing
    known = {one: function for one, function in _functions[word].items() if _is_from(home, function)}
    if home and bare not in known and _is_from(home, getattr(sys.modules[home], bare, None)):
        raise UserError(
            f"{word} {name}: {bare} in {home} has no @{word} decorator; write it above the function, "
            f"after `from bench.registry import {word}`"
        )
    if bare not in _functions[word]:
        raise UserError(unknown(word, bare, known) if known else f"{word} {name}: {home} registers no {word}")
    return _functions[word][bare]


def _is_from(home: str, function: Any) -> bool:
    """Whether the function is of this module, or of one in this package; "" for any."""
    return not home or f"{getattr(function, '__module__', '')}.".startswith(f"{home}.")


def functions(word: str) -> dict[str, Callable[..., Any]]:
    """What is registered for `word` so far, by name."""
    return dict(_functions[word])


def build(run: Run, word: str) -> Callable[..., Any]:
    """The function behind `word` in this run, its keyword arguments filled from the run's choices.

    Raises UserError when conf/ and the function disagree about the arguments.
    """
    function, arguments = find(word, run.functions[word]), run.arguments(word)
    wanted = keyword_arguments(function)
    if set(wanted) != set(arguments):
        takes, given = (", ".join(sorted(names)) or "none" for names in (wanted, arguments))
        raise UserError(f"{word} {run.choices[word]} takes the arguments {takes}; conf/ gives {given}")
    prefix = "" if word == "task" else f"{word}."
    fitting = {name: checked(f"{prefix}{name}", value, wanted[name]) for name, value in arguments.items()}
    return functools.partial(function, **fitting)


@functools.cache
def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments that conf/ has to give, each with its type."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return {one.name: hints.get(one.name, Any) for one in parameters if one.kind is one.KEYWORD_ONLY}


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
