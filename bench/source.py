"""Code of the user's own or of a library: its module by name, what its source is, and where an error in it arose.

In: the name of a module. Out: the module, a text that changes with its source, sentences. Touches: imports, and source
files, which are read only.
"""

import ast
import hashlib
import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType

from bench.schema import UserError

DIGITS = 16  # of a digest, as of an id
OURS = Path(__file__).parent
STANDARD = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
EXTRAS = ("timm",)  # libraries that an extra of this package installs under its name


def module(name: str) -> ModuleType:
    """The module of this name, on Python's path or in the current folder.

    Raises UserError, with the place of the error, when it is not there or fails.
    """
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # an embedded Python, or one started by a script, has no current folder
    with explained(f"cannot import {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name and f"{name}.".startswith(f"{missing.name}."):
                raise UserError(_not_there(name, missing.name)) from missing
            raise
        except SystemExit as ended:
            raise UserError(f"{name} ends Python when it is imported; put what it runs under __main__") from ended


def _not_there(name: str, missing: str) -> str:
    if (extra := missing.partition(".")[0]) in EXTRAS:
        return f"{extra} is not installed; pip install 'initbench[{extra}]'"
    shape = "; give a module's name, as package.module, and no path" if "/" in name or name.endswith(".py") else ""
    return f"there is no module {missing}, neither on PYTHONPATH nor in the current folder {os.getcwd()}{shape}"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise UserError for an error of code that is not ours, with its place there; `what` says what it fails at."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        cause = error.msg if isinstance(error, SyntaxError) else str(error).strip().partition("\n")[0]
        raise UserError(f"{what}: {type(error).__name__}: {cause} ({place(error)})") from error


def place(error: BaseException) -> str:
    """The file and line at which an error arose: the innermost that is neither ours nor a library's, if any is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_library(frame.filename) and OURS not in Path(frame.filename).parents]
    frame = [*frames, *own][-1]
    return f"{frame.filename}, line {frame.lineno}"


def is_library(file: str | Path) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    path = Path(file)
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return installed or any(folder in path.parents for folder in STANDARD) or str(file).startswith("<")


def parameters(factory: Callable[..., object]) -> tuple[dict[str, inspect.Parameter], bool]:
    """What a class or function takes by name, and whether it takes other names too.

    A class takes also what it passes on to the classes that it extends, but for those of torch.
    """
    kinds = [kind for kind in getattr(factory, "__mro__", ()) if not kind.__module__.startswith(("torch.", "builtins"))]
    functions = [(vars(kind)["__init__"], 1) for kind in kinds if "__init__" in vars(kind)] or [(factory, 0)]
    found: dict[str, inspect.Parameter] = {}
    for function, after_self in functions:
        all_of_it = [*inspect.signature(function).parameters.values()][after_self:]
        named = {one.name: one for one in all_of_it if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
        found = found | {name: one for name, one in named.items() if name not in found}
        if not any(one.kind is one.VAR_KEYWORD for one in all_of_it):
            return found, False
    return found, True


@cache
def source(name: str) -> str:
    """What a module's code is: the name and version of its library, else a digest.

    The digest is over the module's file and the files of one's own that it imports, directly or not.
    """
    module(name)
    file = _file(name)
    if file is None or is_library(file):
        return _library(name.partition(".")[0])
    digest = hashlib.sha256()
    for own, path in sorted(_own_files(name).items()):
        digest.update(f"{own}\0".encode() + path.read_bytes() + b"\0")
    return f"sha256:{digest.hexdigest()[:DIGITS]}"


def _library(name: str) -> str:
    names = [name, *metadata.packages_distributions().get(name, ())]
    for distribution in names:
        try:  # of torch's 2.14.1+cu130, what comes after + names the device it was built for
            return f"{distribution} {metadata.version(distribution).partition('+')[0]}"
        except metadata.PackageNotFoundError:
            continue
    return f"{name} of Python {sys.version_info.major}.{sys.version_info.minor}"


def _own_files(name: str) -> dict[str, Path]:
    """The files of a module and of everything of one's own that it imports, by the names of the modules."""
    found: dict[str, Path] = {}
    left = [name]
    while left:
        name = left.pop()
        if name not in found and _is_own(name.partition(".")[0]) and (file := _file(name)):
            found[name] = file
            left += _imported(name, file)
    return found


@cache
def _is_own(name: str) -> bool:
    """Whether a module or package of the top level is neither a library's nor ours."""
    spec = _spec(name)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    places = [place for place in places if place]
    return bool(places) and not is_library(places[0]) and OURS not in (Path(places[0]), *Path(places[0]).parents)


def _spec(name: str) -> ModuleSpec | None:
    try:
        spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None) or find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return spec


def _file(name: str) -> Path | None:
    """The file of a module that is written in Python."""
    spec = _spec(name)
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).suffix == ".py" else None


def _imported(name: str, file: Path) -> Iterator[str]:
    """The modules that a file imports, each with the packages that hold it; names that are no modules among them."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    with suppress(SyntaxError, ImportError):  # of a file that is imported later, if at all
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                home = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
                names = [f"{home}.{one.name}" for one in node.names]
            for one in names:
                parts = one.split(".")
                yield from (".".join(parts[: length + 1]) for length in range(len(parts)))
