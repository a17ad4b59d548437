"""When a study was registered: the commit that last changed its yaml, and which rows are older than that.

In: the name of a study, rows. Out: a Registration, numbers of rows, sentences. Touches: the git repository of the yaml,
which it reads.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import catalogue
from bench.machine.environment import git
from bench.schema import Row

DIGITS = 12  # of a commit in a sentence
NO_COMMIT = "no commit"
CHANGED = " with changes"  # behind the commit of rows whose code was changed after it


@dataclass(frozen=True)
class Registration:
    """The commit that last changed a study's yaml, with its day (2026-11-29); None where no commit has it as it is.

    `missing` then says why. `path` is None for a study without a yaml.
    """

    path: Path | None
    commit: str | None = None
    date: str | None = None
    missing: str = ""

    @property
    def file(self) -> str | None:
        """The yaml as a reader of the repository knows it: conf/study/NAME.yaml."""
        return "/".join(self.path.parts[-3:]) if self.path else None

    @property
    def text(self) -> str:
        """The registration in one line."""
        if self.commit is None:
            return f"not registered: {self.missing}"
        return f"registered: {self.file}, commit {self.commit[:DIGITS]}, {self.date}"


@dataclass(frozen=True)
class Older:
    """The numbers of rows, by their commit, that are known to be older than their study, and of which it is unknown.

    Rows of a commit that has the study as it is registered are in neither.
    """

    known: Mapping[str, int]
    unknown: Mapping[str, int]


def registration(study: str, folders: Sequence[Path] = (catalogue.CONF,)) -> Registration:
    """The registration of a study whose yaml is in one of these folders of configuration.

    What the yaml does not name itself, such as the defaults of conf/settings.yaml, is not registered by it.
    """
    path = catalogue.study_files(folders).get(study)
    if path is None or "axes" not in catalogue.load(path):
        return Registration(None, missing="its axes were on a command line")
    found = Registration(path)
    return Registration(path, **_last_commit(path, str(found.file)))


def older(rows: Iterable[Row], registered: Registration) -> Older:
    """Which rows are older than their study: their commit is no descendant of the one that registered it.

    Unknown: a row without a commit or of changed code, a commit that this repository does not have, any other commit in
    a clone whose history is cut off, and all rows of a study that is not registered.
    """
    counted = Counter(_commit_of(row) for row in rows)
    has = {commit: _has(commit, registered) for commit in sorted(counted)}
    return Older(*({one: counted[one] for one in has if has[one] is found} for found in (False, None)))


def notes(registered: Registration, found: Older) -> list[str]:
    """The registration and, where there is one, the rows that are older than it or may be, each as a line."""
    lines = [registered.text]
    if registered.commit is None:
        return lines
    if found.known:
        lines.append(
            f"{sum(found.known.values())} rows are older than the study that judges them: {registered.file} changed in "
            f"commit {registered.commit[:DIGITS]} after they were made (their commits: {_listed(found.known)})"
        )
    if found.unknown:
        lines.append(
            f"whether {sum(found.unknown.values())} rows are older than {registered.file} is unknown "
            f"(their commits: {_listed(found.unknown)})"
        )
    return lines


def digest(study: str, folders: Sequence[Path] = (catalogue.CONF,)) -> str | None:
    """The digest of what the yaml of a study says, whatever its comments and its layout; None without a yaml."""
    path = catalogue.study_files(folders).get(study)
    if path is None:
        return None
    return hashlib.sha256(json.dumps(catalogue.load(path), sort_keys=True, default=str).encode()).hexdigest()


def edited(study: str, registered: str | None, folders: Sequence[Path] = (catalogue.CONF,)) -> list[str]:
    """A line where a claim is not the one that its first rows were made for; none where it is, or nothing is known.

    `registered`: the digest that was written down before them.
    """
    now = digest(study, folders)
    if registered is None or now is None or registered == now:
        return []
    return [
        f"the claim was edited after its rows: its digest is {now[:DIGITS]}, and was {registered[:DIGITS]} when its "
        "first row was made"
    ]


def _last_commit(path: Path, file: str) -> dict[str, str]:
    """The commit that last changed the file, and its day; or what is missing."""
    last = git(path.parent, "log", "-1", "--format=%H %cs %P", "--", path.name)
    if not last:
        return {"missing": f"git knows no commit of {file}"}
    if git(path.parent, "status", "--porcelain", "--", path.name) != "":
        return {"missing": f"{file} has changes that no commit has"}
    commit, date, *parents = last.split()
    if not parents and _is_cut_off(path.parent):  # its first commit stands for all that are cut off
        return {"missing": f"the history of this clone is cut off after the commit that brought {file}"}
    return {"commit": commit, "date": date}


def _commit_of(row: Row) -> str:
    """The commit of the code that made the row."""
    commit, dirty = str(row.environment.get("git_commit")), row.environment.get("git_dirty")
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        return NO_COMMIT
    return commit if dirty is False else commit + CHANGED


def _has(commit: str, registered: Registration) -> bool | None:
    """Whether the commit has the study as it is registered; None where that is unknown."""
    if registered.commit is None or registered.path is None or " " in commit:
        return None
    folder = registered.path.parent
    shared = git(folder, "merge-base", registered.commit, commit)
    if shared == registered.commit:
        return True
    return None if shared is None or _is_cut_off(folder) else False


def _is_cut_off(folder: Path) -> bool:
    return git(folder, "rev-parse", "--is-shallow-repository") != "false"


def _listed(commits: Iterable[str]) -> str:
    return ", ".join(commit[:DIGITS] + (CHANGED if commit.endswith(CHANGED) else "") for commit in commits)
