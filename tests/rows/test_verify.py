import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.rows import correctness, verify
from bench.rows.record import text_of
from bench.rows.store import Store
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, Run, UserError

ENVIRONMENT = {
    "git_commit": "abc", "git_dirty": False, "initbench": "1", "torch": "2", "device": "cpu", "threads": 1,
    "precision": "float32", "layout": "channels_last", "dataset_checksum": "sum", "train_images": 100,
    "test_images": 20,
}  # fmt: skip
PREDICTED = np.arange(20) < 18
ENDED = {"train_loss": 0.5, "validation_loss": 0.6, "validation_accuracy": 0.7}
NOTHING = dict.fromkeys((*ENDED, "test_loss", "test_accuracy"))
MEASURES = {**ENDED, "test_loss": 0.8, "test_accuracy": 0.9, "test_evaluations": 1, "steps_to_loss": None}


def row(seed: int = 0, initializer: str = "he_normal", status: str = OK, **changes: Any) -> Row:
    choices = {
        "task": "train", "seed": seed, "initializer": initializer, "epochs": 2, "steps": None, "batch_size": 10,
        "dataset": "digits", "dataset.checksum": "sum", "model": "resnet8", **changes.pop("choices", {}),
    }  # fmt: skip
    measures = MEASURES | changes.pop("measures", {})
    curve = changes.pop("curve", [{"epoch": 1}, {"epoch": 2, **{key: measures[key] for key in ENDED}}])
    environment = ENVIRONMENT | changes.pop("environment", {})
    return Row(Run("mine", choices).id, "mine", status, choices, measures, curve, environment, **changes)


STUDY = [row(seed, name) for seed in range(2) for name in ("he_normal", "glorot_uniform")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "mine")


@pytest.fixture
def wrong(store: Store) -> Callable[..., list[str]]:
    """What verifying the study's rows, with some of them replaced or added, finds wrong."""

    def wrong(*rows: Row, planned: list[str] | None = None, mixed: bool = False) -> list[str]:
        for one in (*STUDY, *rows):
            store.write(one)
        return verify.check("mine", store.read(), planned, mixed)

    return wrong


def test_nothing_is_wrong_with_a_study_as_a_sweep_leaves_it(wrong, store):
    assert wrong(planned=[one.id for one in STUDY]) == []
    store.seal()
    assert wrong() == []
    for path in store.folder.glob("*.json"):
        path.unlink()
    reading = store.read()
    assert set(reading.rows) == {one.id for one in STUDY}
    assert verify.check("mine", reading, None, mixed=False) == []


OTHER = {"git_commit": "def", "git_dirty": None, "initbench": "2", "torch": "3", "device": "cuda", "threads": 2,
         "precision": "bfloat16", "layout": "contiguous"}  # fmt: skip


@pytest.mark.parametrize("key", OTHER)
def test_rows_of_two_kinds_of_machine_or_code_are_told_apart(wrong, key):
    (what,) = wrong(row(environment={key: OTHER[key]}))
    assert key in what
    assert bool(wrong(row(environment={key: OTHER[key]}), mixed=True)) == (key in verify.MACHINE)


def packed(*sizes: int, **choices: Any) -> list[Row]:
    """The rows of the study, trained in packs of these sizes."""
    known = [(one.choices["seed"], one.choices["initializer"]) for one in STUDY]
    pairs = zip(known, sizes, strict=True)
    return [row(*one, choices=choices, environment={"packed": size}) for one, size in pairs]


@pytest.mark.parametrize(("sizes", "how"), [((4, 1, 1, 1), "in a pack"), ((1, 4, 4, 4), "alone")])
def test_rows_that_were_packed_otherwise_than_others_of_their_block_are_named(wrong, sizes, how):
    rows = packed(*sizes)
    sentence = f"trained {how}, unlike others of its block, and so rounded otherwise (mixed=true allows it)"
    assert wrong(*rows) == [f"{sentence}: {rows[0].id}"]
    assert wrong(*rows, mixed=True) == []


def test_packs_of_several_sizes_and_blocks_that_are_packed_otherwise_are_no_fault(wrong):
    assert wrong(*packed(2, 2, 3, 3), *packed(1, 1, 1, 1, model="with_dropout")) == []


WRONG = {
    "two datasets under one name": (row(environment={"dataset_checksum": "other"}), "checksum"),
    "a seed that one arm alone has": (row(7), "lacks seeds"),
    "the test set read twice": (row(measures={"test_evaluations": 2}), "not read exactly once"),
    "the test set never read": (row(measures={"test_evaluations": 0}), "not read exactly once"),
    "no test accuracy": (row(measures={"test_accuracy": None}), "lacks a loss or an accuracy"),
    "an accuracy of 90": (row(measures={"test_accuracy": 90}), "outside 0 to 1"),
    "a truth value for a number": (row(measures={"steps_to_loss": True}), "neither a finite number nor null"),
    "a curve too short": (row(curve=[{"epoch": 1, **ENDED}]), "not as long as its budget"),
    "a curve with a hole": (row(curve=[{"epoch": 1}, {"epoch": 3, **ENDED}]), "not 1, 2, 3"),
    "a curve of other numbers": (
        row(curve=[{"epoch": 1}, {"epoch": 2, **ENDED, "train_loss": 0.4}]),
        "end of its curve",
    ),
    "a diverged row with a test result": (row(status=DIVERGED), "diverged row"),
    "a failed row without an error": (row(status=FAILED), "failed row without an error"),
    "an ok row with an error": (row(error={"class": "error"}), "error in another"),
    "code that no commit names": (row(environment={"git_dirty": True}), "changed after its commit"),
    "images that are not its accuracy": (row(correct=correctness.packed(~PREDICTED)), "do not add up"),
    "images that cannot be read": (row(correct="eJx"), "do not add up"),
    "images of a diverged run": (
        row(status=DIVERGED, correct=correctness.packed(PREDICTED), measures=NOTHING),
        "do not add up",
    ),
    "another study": (Row(**{**vars(row()), "study": "other"}), "its study is not mine"),
}


@pytest.mark.parametrize(("bad", "what"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_row_is_said(wrong, bad, what):
    assert any(what in one for one in wrong(bad))


def test_a_diverged_row_has_no_result_and_a_shorter_curve(wrong):
    assert wrong(row(status=DIVERGED, measures=NOTHING, curve=[{"epoch": 1, "train_loss": None}])) == []


def test_the_images_that_a_row_classified_correctly_add_up_to_its_accuracy(wrong):
    assert wrong(row(correct=correctness.packed(PREDICTED))) == []


def test_a_budget_in_steps_may_end_inside_an_epoch(wrong):
    study = [row(seed, name, choices={"steps": 15}) for seed in range(2) for name in ("he_normal", "glorot_uniform")]
    assert wrong(*study) == []
    longer = [row(seed, name, choices={"steps": 25}) for seed in range(2) for name in ("he_normal", "glorot_uniform")]
    (found,) = wrong(*longer)
    assert found.startswith("its curve is not as long as its budget: ")


def test_a_run_of_the_plan_without_a_row_or_unfinished_is_missed(wrong):
    found = wrong(row(status=PREEMPTED), planned=[*(one.id for one in STUDY), "0123456789abcdef"])
    assert "a run of the study has no row: 0123456789abcdef" in found
    assert f"a run of the study is not finished: {row().id}" in found


def signed(one: Row, **changes: Any) -> str:
    """A row that was changed by somebody who knows how to make its digest."""
    record = {key: value for key, value in json.loads(text_of(one)).items() if key != "digest"} | changes
    body = json.dumps(record)[:-1]
    return f'{body}, "digest": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n'


FORGED = {
    "one digit": (text_of(row()).replace("0.9", "0.8"), "digest"),
    "other choices": (signed(row(), choices={**row().choices, "seed": 9}), "does not match its choices"),
    "another id": (signed(row(1)), "does not bear its id"),
    "another schema": (signed(row(), schema=1), "another schema"),
    "a key more": (signed(row(), note="ours"), "note is no key of a row"),
    "no object": ("[]", "not a JSON object"),
    "NaN": (text_of(row()).replace("0.9", "NaN"), "digest"),
    "a key twice": (text_of(row()).replace('{"id"', '{"status": "ok", "id"'), "digest"),
    "endless": (
        signed(row(), measures={**MEASURES, "test_loss": 0}).replace('"test_loss": 0', '"test_loss": 1e999'),
        "digest",
    ),
    "nested too deep": ("[" * 100_000, "nested too deep"),
}


@pytest.mark.parametrize(("text", "what"), FORGED.values(), ids=FORGED.keys())
def test_an_edited_row_is_found_loose_and_sealed(store, text, what):
    for one in STUDY:
        store.write(one)
    store.seal()
    sealed = store.folder / "rows.jsonl"
    whole = sealed.read_text()
    for path, content in (
        (store.folder / f"{row().id}.json", text),
        (sealed, whole.replace(text_of(row()), text.rstrip("\n") + "\n")),
    ):
        before = path.read_text()
        path.write_text(content)
        found = verify.check("mine", store.read(), None, mixed=False)
        assert any(what in one for one in found) or "does not bear" in what  # a line has no name that it could belie
        path.write_text(before)


def test_two_different_rows_of_one_run_are_found(store, wrong):
    wrong()
    store.seal()
    assert wrong(row(measures={"seconds": 5})) == [f"another row of the same run differs: {row().id}.json"]


def test_rows_that_do_not_say_how_often_the_test_set_was_read_are_noted():
    old = row()
    del old.measures["test_evaluations"]
    assert verify.notes([old, row(1)], [old.id]) == [
        "1 rows are of runs that the study does not ask for",
        "1 rows do not say how often the test set was read",
    ]


def test_a_long_fault_names_its_first_places_and_how_many():
    faults = {"odd": list("abcdefg"), "even": ["x"], "none": []}
    assert verify.lines(faults) == ["odd: a, b, c, d, e, ... (7 in all)", "even: x"]


def test_a_folder_that_cannot_be_read_is_a_mistake(tmp_path):
    (tmp_path / "mine" / "rows.jsonl").mkdir(parents=True)
    with pytest.raises(UserError, match="Is a directory"):
        verify.check("mine", Store(tmp_path, "mine").read(), None, mixed=False)
