"""Whether rows may still be believed: what has changed since in the code that made them.

In: rows. Out: an Expiry. Touches: the git repository of the package and its files, read only.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.machine.environment import git
from bench.schema import WORDS, Row
from bench.source import imported

PACKAGE = Path(__file__).parents[1]
HOME = PACKAGE.parent
ROOMS = ("bench/parts/", "bench/train/")  # on whose code the result of a run depends
CURRENT, CHANGED, UNKNOWN = "current", "may have expired", "not known"


@dataclass(frozen=True)
class Expiry:
    """Whether rows are those that the code of today would make, as far as its sources tell.

    changed: the modules whose code, comments and docstrings aside, is another than at the commit of the rows. reason:
    why it is not known. torch: the versions of the rows where another one is installed.
    """

    status: str
    commits: tuple[str, ...]
    changed: tuple[str, ...] = ()
    reason: str = ""
    torch: tuple[str, ...] = ()


def expiry(rows: Iterable[Row], functions: Mapping[str, Collection[str]]) -> Expiry:
    """What has changed since these rows; `functions`: of each word the functions that their runs take."""
    found = {(row.environment.get("git_commit"), bool(row.environment.get("git_dirty"))): row for row in rows}
    commits = tuple(sorted({str(commit)[:12] for commit, _ in found if commit}))
    versions = {str(row.environment["torch"]) for row in found.values() if "torch" in row.environment}
    other = tuple(sorted(one for one in versions if one.partition("+")[0] != _installed()))
    if any(commit is None for commit, _ in found):
        return Expiry(UNKNOWN, commits, reason="rows do not say which commit made them", torch=other)
    if any(dirty for _, dirty in found):
        return Expiry(UNKNOWN, commits, reason="rows were made from sources with uncommitted changes", torch=other)
    depends = _modules(functions)
    changed = [_changed(str(commit), depends) for commit, _ in found]
    if any(one is None for one in changed):
        return Expiry(UNKNOWN, commits, reason="git does not know the commit of the rows here", torch=other)
    names = sorted({name for one in changed for name in one or ()})
    return Expiry(CHANGED if names or other else CURRENT, commits, tuple(names), torch=other)


def _installed() -> str:
    try:
        return metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""


def _changed(commit: str, depends: frozenset[Path]) -> list[str] | None:
    """The modules whose code differs from that commit's; None where git cannot say."""
    if not git(PACKAGE, "ls-files", "--", "__init__.py") or git(HOME, "cat-file", "-t", commit) != "commit":
        return None
    listed = git(HOME, "diff", "--name-only", "--no-renames", commit, "--", *ROOMS)
    if listed is None:
        return None
    files = [HOME / line for line in listed.splitlines()]
    return [_name(file) for file in files if file in depends and _differs(commit, file)]


def _differs(commit: str, file: Path) -> bool:
    before = git(HOME, "show", f"{commit}:{file.relative_to(HOME).as_posix()}")
    return before is None or _code(before) != _code(file.read_text(encoding="utf-8"))


@cache
def _code(text: str) -> str:
    """The code of a module without comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _modules(functions: Mapping[str, Collection[str]]) -> frozenset[Path]:
    """The files in ROOMS that define these functions, and those that they import, directly or not."""
    left = [_name(file) for word in WORDS for file in _files_of(word, functions.get(word, ()))]
    found: dict[str, Path] = {}
    while left:
        name = left.pop()
        file = None if name in found else _file(name)
        if file:
            found[name] = file
            left += imported(name, file)
    return frozenset(found.values())


def _files_of(word: str, functions: Collection[str]) -> Iterator[Path]:
    room = PACKAGE / "train" / "task" if word == "task" else PACKAGE / "parts"
    for file in room.rglob("*.py"):
        if word in file.relative_to(PACKAGE).as_posix() and any(_means(one, _defines(file)) for one in functions):
            yield file


def _means(function: str, defined: Collection[str]) -> bool:
    """Whether a function is among those defined: keras_variance_scaling is variance_scaling with Keras' fans."""
    return function in defined or function.partition("_")[2] in defined


@cache
def _defines(file: Path) -> frozenset[str]:
    tree: Any = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))


def _file(name: str) -> Path | None:
    """The file of a module in ROOMS; None for any other."""
    path = HOME.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    inside = file.is_relative_to(HOME) and file.relative_to(HOME).as_posix().startswith(ROOMS)
    return file if inside and file.is_file() else None


def _name(file: Path) -> str:
    return ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")
