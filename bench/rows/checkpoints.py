"""The checkpoints of one run: a file counts only if its content matches its digest.

In: bytes, and what they were made with. Out: the same bytes, or why they cannot be used.
Touches: results/STUDY/checkpoints/.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.machine.files import names_in, opened, read_whole, remove, write_whole

KEPT = 2  # the newest, and the one before it in case the newest is damaged


class Checkpoints:
    """Files ID.MARK.STEPS.pt: a sha256, a line of JSON with what the checkpoint was made with, and the content.

    MARK is a hash of what it was made with, so that two machines or versions keep theirs apart.
    """

    def __init__(self, folder: Path, id: str) -> None:
        self.folder, self.id = folder, id

    def save(self, content: bytes, steps: int, made_with: Mapping[str, Any]) -> None:
        """Write a checkpoint whole, and only then delete all but the newest two.

        Raises UserError when the disk refuses; the older checkpoints are then unchanged.
        """
        body = b"\n".join([_text(made_with).encode(), content])
        path = self.folder / f"{self.id}.{_mark(made_with)}.{steps}.pt"
        write_whole(path, b"\n".join([_digest(body), body]))
        remove([*self.newest_first(made_with)[KEPT:], *self._torn()])

    def newest_first(self, made_with: Mapping[str, Any]) -> list[Path]:
        """The checkpoints that were made with exactly this, those of the most steps first."""
        return sorted(self._named(f"{self.id}.{_mark(made_with)}.", ".pt"), key=_steps, reverse=True)

    def others(self, made_with: Mapping[str, Any]) -> dict[Path, list[str]]:
        """The newest checkpoint of every other mark, each with a list of what differs, in words."""
        newest = {path.name.split(".")[1]: path for path in sorted(self._named(f"{self.id}.", ".pt"), key=_steps)}
        newest.pop(_mark(made_with), None)
        return {path: _differences(path, made_with) for path in newest.values()}

    def read(self, path: Path) -> bytes:
        """The content of a checkpoint. Raises ValueError when it is not whole, OSError when it cannot be read."""
        digest, _, body = read_whole(path).partition(b"\n")
        if digest != _digest(body):
            raise ValueError("it is cut or damaged: its digest does not match")
        return body.partition(b"\n")[2]

    def remove(self) -> None:
        """Delete all checkpoints of this run, whatever they were made with: the run is over."""
        remove([*self._named(f"{self.id}."), *self._torn()])

    def move_aside(self, path: Path) -> None:
        """Rename to NAME.broken, so that it no longer counts as a checkpoint."""
        with contextlib.suppress(OSError):
            path.rename(f"{path}.broken")

    def _torn(self) -> list[Path]:
        """What a killed writer left: a run has one writer at a time."""
        return self._named(f".{self.id}.", ".tmp")

    def _named(self, beginning: str, end: str = "") -> list[Path]:
        """The files of these names. Glob would compile a pattern for each run, which takes longer than the listing."""
        return [
            self.folder / name for name in names_in(self.folder) if name.startswith(beginning) and name.endswith(end)
        ]


def _text(made_with: Mapping[str, Any]) -> str:
    return json.dumps(made_with, sort_keys=True)


def _mark(made_with: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(made_with).encode()).hexdigest()[:8]


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _steps(path: Path) -> int:
    steps = path.name.split(".")[-2]
    return int(steps) if steps.isdecimal() else -1


def _differences(path: Path, made_with: Mapping[str, Any]) -> list[str]:
    try:
        with opened(path) as file:
            _, line = file.readline(), file.readline()
        theirs = json.loads(line)
        return [f"{key} was {theirs[key]}, is {value}" for key, value in made_with.items() if theirs[key] != value]
    except (OSError, ValueError, KeyError, TypeError):
        return ["what it was made with cannot be read"]
