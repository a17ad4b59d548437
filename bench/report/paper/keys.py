"""Names for all numbers and texts of a study, so that a template prints a number by its key and none is typed.

In: texts by their paths. Out: a tree of them, and the nearest known key for a mistyped one. Touches: nothing.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from bench.schema import UserError

NEAREST = 3


class UnknownKey(UserError):
    """A key that names nothing. No LookupError, which the template engine would swallow."""


class Keys:
    """A branch of the tree: `keys["acc"]["he_normal"]`, in a template `acc.he_normal`; its text where it has one.

    It has no public attribute, so that a key may have any name. Raises UnknownKey, with the nearest known ones, for a
    key that does not exist and for the text of a branch that has none.
    """

    __slots__ = ("_children", "_path", "_text")

    def __init__(self, path: str = "", text: str | None = None) -> None:
        self._path, self._text = path, text
        self._children: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._children:
            raise UnknownKey(unknown(_joined(self._path, str(name)), flat(self)))
        return self._children[name]

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __len__(self) -> int:
        return len(self._children)

    def __str__(self) -> str:
        if self._text is None:
            raise UnknownKey(f"{self._path} is no number or text; it has {', '.join(self._children)}")
        return self._text


def put(keys: Keys, path: tuple[str, ...], value: Any, text: str | None = None) -> None:
    """Store a value under `path`; with `text`, a branch that prints as `text` and has the children of `value`."""
    *inner, last = path
    for name in inner:
        keys = keys._children.setdefault(name, Keys(_joined(keys._path, name)))
    if text is None:
        keys._children[last] = value
        return
    branch = keys._children[last] = Keys(_joined(keys._path, last), text)
    branch._children.update(value)


def flat(keys: Keys) -> dict[str, str]:
    """Every key that prints, by its full path, with its text."""
    found: dict[str, str] = {}
    for name, child in keys._children.items():
        path = _joined(keys._path, name)
        if isinstance(child, str | int):
            found[path] = str(child)
        if isinstance(child, Keys):
            found.update({path: child._text} if child._text is not None else {})
            found.update(flat(child))
    return found


def unknown(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that does not exist, with the nearest that do."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=NEAREST, cutoff=0.4) or known[:NEAREST]
    return f"no key is named {key!r}" + (f"; the nearest: {', '.join(near)}" if near else "")


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
