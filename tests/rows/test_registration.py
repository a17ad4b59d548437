"""Git alone says when a study was registered, and what git does not know is said to be unknown."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import catalogue
from bench.rows.registration import NO_COMMIT, Older, Registration, digest, edited, notes, older, registration
from bench.schema import OK, Row, Run

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

DAY = "2026-11-29"
FILE = "conf/study/ours.yaml"


def git(folder: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in WHO.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", "commit.gpgsign=false", "-C", str(folder), *arguments]
    return subprocess.run(command, env=others | who, check=True, capture_output=True, text=True).stdout.strip()


WHO = {"NAME": "a", "EMAIL": "a@b.c", "DATE": f"{DAY}T12:00:00+00:00"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A repository with one commit, from before the study."""
    home = tmp_path / "home"
    (home / "conf" / "study").mkdir(parents=True)
    git(home, "init", "--quiet", "--initial-branch=main")
    commit(home, "README.md", "A house.\n")
    return home


def commit(home: Path, file: str, text: str) -> str:
    """Commit a file; the commit."""
    (home / file).write_text(text)
    git(home, "add", ".")
    git(home, "commit", "--quiet", "-m", file)
    return git(home, "rev-parse", "HEAD")


def study(margin: float) -> str:
    return f"name: ours\nmargin: {margin}\naxes:\n  seed: range(3)\n"


def registered(home: Path) -> Registration:
    return registration("ours", [home / "conf"])


def row(seed: int, git_commit: Any, git_dirty: Any = False) -> Row:
    choices = {"seed": seed}
    about = {"git_commit": git_commit, "git_dirty": git_dirty}
    return Row(Run("ours", choices).id, "ours", OK, choices, environment=about)


def test_a_study_is_registered_by_the_last_commit_that_changed_its_yaml(home):
    first = commit(home, FILE, study(1.0))
    commit(home, "README.md", "Another house.\n")
    found = registered(home)
    assert (found.file, found.commit, found.date, found.missing) == (FILE, first, DAY, "")
    assert found.text == f"registered: {FILE}, commit {first[:12]}, {DAY}"
    second = commit(home, FILE, study(2.0))
    assert registered(home).commit == second


@pytest.mark.parametrize("staged", [False, True])
def test_a_yaml_that_no_commit_has_is_not_registered(home, staged):
    (home / FILE).write_text(study(1.0))
    if staged:
        git(home, "add", ".")
    assert registered(home).commit is None
    assert registered(home).text == f"not registered: git knows no commit of {FILE}"


@pytest.mark.parametrize("staged", [False, True])
def test_a_yaml_that_was_changed_since_its_commit_is_not_registered(home, staged):
    commit(home, FILE, study(1.0))
    (home / FILE).write_text(study(2.0))
    if staged:
        git(home, "add", ".")
    assert registered(home).commit is None
    assert registered(home).text == f"not registered: {FILE} has changes that no commit has"


def test_outside_a_repository_or_without_git_no_study_is_registered(home, tmp_path, monkeypatch):
    outside = shutil.copytree(home / "conf", tmp_path / "outside" / "conf")
    commit(home, FILE, study(1.0))
    (outside / "study" / "ours.yaml").write_text(study(1.0))
    assert registered(outside.parent).missing == f"git knows no commit of {FILE}"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert registered(home).missing == f"git knows no commit of {FILE}"


@pytest.mark.parametrize("name", ["mine", "own", "single"])
def test_a_study_without_axes_of_its_own_is_not_registered(name):
    found = registration(name)
    assert (found.file, found.commit) == (None, None)
    assert found.text == "not registered: its axes were on a command line"


def test_every_declared_study_has_a_yaml_to_register():
    declared = {name for name, option in catalogue.options("study").items() if "axes" in option}
    assert {"default", "question", "confirmation", "second_conv"} <= declared
    assert {registration(name).file for name in declared} == {f"conf/study/{name}.yaml" for name in declared}


def test_rows_are_older_unless_their_commit_has_the_study_as_it_is(home):
    before = commit(home, FILE, study(1.0))
    at = commit(home, FILE, study(2.0))
    after = commit(home, "README.md", "Another house.\n")
    git(home, "checkout", "--quiet", "-b", "aside", before)
    aside = commit(home, "README.md", "A barn.\n")
    git(home, "checkout", "--quiet", "main")
    rows = [row(seed, made) for seed, made in enumerate([before, before, at, after, aside])]
    found = older(rows, registered(home))
    assert found == Older({before: 2, aside: 1}, {})
    commits = ", ".join(sorted([before[:12], aside[:12]]))
    assert notes(registered(home), found)[1:] == [
        f"3 rows are older than the study that judges them: {FILE} changed in commit {at[:12]} after they were made "
        f"(their commits: {commits})"
    ]


def test_a_row_whose_commit_is_not_known_is_of_unknown_age(home):
    at, foreign = commit(home, FILE, study(1.0)), "0123456789" * 4
    rows = [row(0, foreign), row(1, None), row(2, at, True), row(3, at, None), row(4, "--output=file"), row(5, at)]
    found = older(rows, registered(home))
    assert found == Older({}, {foreign: 1, NO_COMMIT: 2, f"{at} with changes": 2})
    (_, said) = notes(registered(home), found)
    assert said.startswith(f"whether 5 rows are older than {FILE} is unknown (their commits: ")
    assert f"{at[:12]} with changes" in said
    assert not list(home.rglob("file"))


def test_no_row_has_a_known_age_where_the_study_is_not_registered(home):
    at = git(home, "rev-parse", "HEAD")
    (home / FILE).write_text(study(1.0))
    found = older([row(0, at)], registered(home))
    assert found == Older({}, {at: 1})
    assert notes(registered(home), found) == [registered(home).text]


@pytest.mark.parametrize("depth", [1, 2, 3])  # up to the commit after the study, the study, the one before it
def test_a_clone_with_a_part_of_the_history_does_not_guess_the_rest(home, tmp_path, depth):
    before = commit(home, FILE, study(1.0))
    at = commit(home, FILE, study(2.0))
    commit(home, "README.md", "Another house.\n")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", f"--depth={depth}", f"file://{home}", str(clone))
    if depth == 3:
        assert registered(clone).commit == at
    else:
        missing = f"the history of this clone is cut off after the commit that brought {FILE}"
        assert (registered(clone).commit, registered(clone).missing) == (None, missing)
    assert older([row(0, before)], registered(clone)).unknown == {before: 1}
    git(clone, "fetch", "--quiet", "--unshallow")
    assert registered(clone).commit == at
    assert older([row(0, before)], registered(clone)).known == {before: 1}


def test_a_claim_is_registered_as_a_study_is_and_its_rows_may_be_older(home):
    (home / "conf" / "claim").mkdir()
    before = git(home, "rev-parse", "HEAD")
    at = commit(home, "conf/claim/ours.yaml", study(1.0))
    found = registration("ours", [home / "conf"])
    assert (found.file, found.commit) == ("conf/claim/ours.yaml", at)
    assert older([row(0, before), row(1, at)], found) == Older({before: 1}, {})


def test_the_digest_of_a_yaml_is_that_of_what_it_says(home):
    (home / FILE).write_text(study(1.0))
    first = digest("ours", [home / "conf"])
    (home / FILE).write_text("# a comment\n" + study(1.0))
    assert digest("ours", [home / "conf"]) == first
    assert edited("ours", first, [home / "conf"]) == edited("ours", None, [home / "conf"]) == []
    (home / FILE).write_text(study(2.0))
    (said,) = edited("ours", first, [home / "conf"])
    assert said.startswith("the claim was edited after its rows: its digest is ")
    assert first[:12] in said
    assert digest("no_such_study", [home / "conf"]) is None
