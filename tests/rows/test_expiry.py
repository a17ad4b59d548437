"""Whether rows have expired follows from the code that their runs depend on, and from nothing else."""

import pytest

from bench.rows import expiry
from bench.rows.expiry import CHANGED, CURRENT, UNKNOWN
from bench.schema import OK, Row

FUNCTIONS = {"task": ["Train"], "model": ["plain"], "initializer": ["keras_variance_scaling"], "dataset": ["digits"]}
COMMIT = "0" * 40


def row(**environment):
    return Row("0" * 16, "mine", OK, {}, environment={"git_commit": COMMIT, "git_dirty": False, **environment})


@pytest.fixture
def before(monkeypatch):
    """A repository in which these files, by their paths, were otherwise at the commit of the rows."""
    files = {}

    def git(folder, *words):
        if words[0] == "cat-file":
            return "commit" if words[2] == COMMIT else None
        if words[0] == "diff":
            return "\n".join(files)
        if words[0] == "show":
            return files[words[1].partition(":")[2]]
        return "__init__.py"

    monkeypatch.setattr(expiry, "git", git)
    return files


def now(path):
    return (expiry.HOME / path).read_text(encoding="utf-8")


def test_rows_of_the_same_code_are_current(before):
    assert expiry.expiry([row()], FUNCTIONS).status == CURRENT


def test_a_change_of_code_that_a_run_depends_on_may_expire_it(before):
    path = "bench/parts/initializer/variance_scaling.py"
    before[path] = now(path) + "\nx = 1\n"
    found = expiry.expiry([row()], FUNCTIONS)
    assert (found.status, found.changed) == (CHANGED, ("bench.parts.initializer.variance_scaling",))


def test_what_such_code_imports_counts_too(before):
    path = "bench/parts/initializer/fans.py"
    before[path] = now(path).replace("c_in * area", "c_in")
    assert expiry.expiry([row()], FUNCTIONS).changed == ("bench.parts.initializer.fans",)


def test_a_comment_or_a_docstring_changes_nothing(before):
    path = "bench/parts/initializer/fans.py"
    before[path] = now(path).replace('"""', '"""Once ', 1) + "\n# and a comment\n"
    assert before[path] != now(path)
    assert expiry.expiry([row()], FUNCTIONS).status == CURRENT


def test_a_part_that_the_runs_do_not_take_changes_nothing(before):
    before["bench/parts/initializer/lsuv.py"] = before["bench/parts/model/convnext.py"] = "x = 1\n"
    assert expiry.expiry([row()], FUNCTIONS).status == CURRENT


def test_another_torch_may_expire_rows(before):
    found = expiry.expiry([row(torch="1.0.0")], FUNCTIONS)
    assert (found.status, found.torch) == (CHANGED, ("1.0.0",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"git_commit": None}, "which commit"),
        ({"git_dirty": True}, "uncommitted changes"),
        ({"git_commit": "1" * 40}, "git does not know"),
    ],
)
def test_what_is_not_known_is_not_called_current(before, changes, reason):
    found = expiry.expiry([row(**changes)], FUNCTIONS)
    assert found.status == UNKNOWN
    assert reason in found.reason


def test_the_functions_of_conf_are_found():
    from bench import catalogue

    for word in ("model", "initializer", "normalization", "activation", "dataset", "optimizer", "schedule", "task"):
        for name, option in catalogue.options(word).items():
            assert [*expiry._files_of(word, [option["function"]])], f"{word} {name}"
