from typing import Any

import pytest

from bench.plan.why import StudyState, explain, nearest
from bench.rows.store import Reading
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, Run, UserError


def run(seed: int = 0, **choices: Any) -> Run:
    return Run("mine", {"task": "train", "initializer": "he_normal", "epochs": 2, "seed": seed, **choices})


def row(one: Run, status: str = OK, **fields: Any) -> Row:
    return Row(one.id, one.study, status, one.choices, **fields)


def place(asked: list[Run] | None, *rows: Row, planned: tuple[str, ...] = (), **unread: str) -> StudyState:
    runs = None if asked is None else {one.id: one for one in asked}
    return StudyState("mine", runs, Reading({one.id: one for one in rows}, [], unread=unread), planned)


@pytest.mark.parametrize(
    ("status", "again", "because"),
    [
        (OK, False, "its row is whole and says ok"),
        (DIVERGED, False, "its row is whole and says diverged"),
        (FAILED, False, "it failed (killed: out of luck); retry=failed does it again"),
        (PREEMPTED, True, "its row says preempted"),
    ],
)
@pytest.mark.parametrize("asked", [[run()], None])
def test_a_run_with_a_row_is_skipped_unless_it_was_stopped(status, again, because, asked):
    error = {"class": "killed", "cause": "out of luck", "traceback": ""} if status == FAILED else None
    reason = explain(place(asked, row(run(), status, error=error)), run().id)
    assert reason.again is again
    assert because in reason.text


def test_the_ingredients_that_changed_are_named_for_a_run_without_a_row():
    now = run(epochs=3, order_seed=None)
    reason = explain(place([now], row(run(9)), row(run())), now.id)
    assert reason.again
    assert (reason.nearest, reason.changed) == (run().id, {"epochs": [2, 3], "order_seed": ["absent", None]})
    assert reason.text == (
        f"study mine: {now.id} would be done: it has no row. The nearest row is {run().id}: "
        "epochs 2 -> 3, order_seed absent -> null"
    )


def test_a_row_that_the_study_asks_for_no_more_is_told_from_the_nearest_run_that_it_does():
    reason = explain(place([run(epochs=3), run(5, epochs=3)], row(run())), run().id)
    assert not reason.again
    assert (reason.nearest, reason.changed) == (run(epochs=3).id, {"epochs": [2, 3]})
    assert "does not ask for this run now. The nearest run that it asks for is" in reason.text


def test_a_row_that_is_not_read_says_why_and_is_done_again():
    damaged = "results/mine/x.json is not a whole row (edited or damaged)"
    assert explain(place([run()], **{run().id: damaged}), run().id).text.endswith(f"would be done: {damaged}")
    unasked = explain(place([run(1)], **{run().id: damaged}), run().id)
    assert (unasked.again, unasked.because) == (False, f"{damaged}, and the study does not ask for this run now")
    assert explain(place(None, **{run().id: damaged}), run().id).again


def test_the_first_run_of_a_study_has_nothing_to_be_compared_with():
    assert explain(place([run()]), run().id).text == f"study mine: {run().id} would be done: it has no row"


def test_a_run_that_only_the_last_sweep_knows_is_said_to_have_no_row():
    assert explain(place(None, planned=(run().id,)), run().id).again
    assert not explain(place([run(1)], planned=(run().id,)), run().id).again


def test_an_id_is_found_by_its_first_digits_if_they_are_its_own():
    ids = sorted([run(0).id, run(1).id])
    known = place([run(0)], row(run(1)))
    for id in ids:
        assert known.find(id) == known.find(id[:8]) == id
    assert known.find("ffffffffffffffff") is None
    with pytest.raises(UserError, match="2 ids of study mine begin with"):
        known.find("")


def test_the_nearest_differs_in_the_fewest_choices_and_a_truth_value_is_no_number():
    others = {"b": {"x": 1, "y": 2}, "a": {"x": 1, "y": 3}, "c": {"x": True, "y": 4}}
    assert nearest({"x": 1, "y": 4}, others) == "a"
    assert nearest({"x": True, "y": 4}, others) == "c"


def test_another_source_of_the_same_model_is_named_as_the_cause():
    was, now = (run(model="nets:Net", **{"model.source": source}) for source in ("sha256:1", "sha256:2"))
    text = explain(place([now], row(was)), now.id).text
    assert "model.source sha256:1 -> sha256:2, as the source of its model has changed" in text
    other = run(model="nets:Other", **{"model.source": "sha256:3"})
    assert "as the source" not in explain(place([other], row(was)), other.id).text
