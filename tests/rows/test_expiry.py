"""Rows expire when today's code begins their runs otherwise, and not when a commit changes no result."""

import pytest

from bench.rows import expiry
from bench.rows.expiry import CURRENT, EXPIRED, STARTS, compared, unchanged
from bench.schema import OK, Row

COMMIT = "0" * 40
BEGAN = {"initial_loss": 2.3, "initial_gradient_norm": 0.4}


def row(train_loss=1.5, measures=BEGAN, **environment):
    about = {"git_commit": COMMIT, "git_dirty": False, "torch": expiry.metadata.version("torch"), **environment}
    return Row("0" * 16, "mine", OK, {}, dict(measures), [{"epoch": 1, "train_loss": train_loss}], about)


@pytest.fixture
def differing(monkeypatch):
    """A repository in which the code of these commits is not that of today."""
    commits = set()

    def git(folder, *words):
        if words[0] == "diff":
            return None if words[2] in commits else ""
        return "__init__.py"

    monkeypatch.setattr(expiry, "git", git)
    return commits


def test_rows_of_the_code_of_today_are_current_without_any_run(differing):
    assert unchanged([row()])


@pytest.mark.parametrize(
    "changes", [{"git_commit": None}, {"git_commit": "1" * 40}, {"git_dirty": True}, {"torch": "1.0.0"}]
)
def test_what_git_does_not_show_to_be_unchanged_has_to_be_run(differing, changes):
    differing.add("1" * 40)
    assert not unchanged([row(), row(**changes)])


def test_runs_that_begin_as_their_rows_say_are_current(differing):
    found = compared([row(), row()], [BEGAN | {"train_loss": 1.5}, BEGAN])
    assert (found.status, found.begun, found.differs, found.commits) == (CURRENT, 2, None, (COMMIT[:12],))


def test_first_steps_alone_do_not_show_how_a_run_goes_on():
    assert compared([row()], [BEGAN]).status == STARTS


@pytest.mark.parametrize(
    ("measure", "now", "expired"),
    [
        ("initial_loss", 2.3 * (1 + 4e-7), False),  # as another processor rounds
        ("initial_loss", 2.301, True),
        ("initial_gradient_norm", 0.4 * (1 + 4e-4), False),  # a relu at its kink
        ("initial_gradient_norm", 0.404, True),
        ("initial_gradient_norm", None, True),
        ("train_loss", 1.5 * 1.009, False),
        ("train_loss", 1.5 * 1.03, True),
        ("train_loss", float("nan"), True),
    ],
)
def test_a_run_that_begins_otherwise_expires_its_rows(measure, now, expired):
    found = compared([row()], [BEGAN | {"train_loss": 1.5} | {measure: now}])
    assert (found.status == EXPIRED) == expired
    assert found.differs == (("0" * 16, measure, (BEGAN | {"train_loss": 1.5})[measure], now) if expired else None)


def test_a_loss_that_is_not_finite_is_the_same_as_one_that_was_not():
    assert compared([row(train_loss=None)], [BEGAN | {"train_loss": float("nan")}]).status == CURRENT
