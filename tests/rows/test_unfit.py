"""The arms that a sweep leaves out: how they are named, counted and kept."""

from pathlib import Path
from typing import Any

import pytest

from bench.rows.merge import merge
from bench.rows.store import Store
from bench.rows.unfit import UNFIT, UnfitArm, read, sentences, unfit_arms
from bench.schema import OK, Row, Run

BRANCHES = "a plain net has no residual branches"


def run(initializer: str = "fixup", model: str = "plain14", seed: int = 0, **choices: Any) -> Run:
    chosen = {"model": model, "normalization": "none", "activation": "relu", "dataset": "digits", "seed": seed}
    return Run(
        "mine", chosen | {"initializer": initializer} | {key.replace("__", "."): choices[key] for key in choices}
    )


def left_out(runs: list[Run], unfit: list[Run], reason: str = BRANCHES) -> list[str]:
    """The sentences of a plan of these runs, some of which do not fit."""
    return sentences(unfit_arms(runs, {one.id: reason for one in unfit}))


def test_an_arm_that_fits_a_model_nowhere_is_named_by_the_model_alone() -> None:
    unfit = [run(seed=seed, activation=phi) for seed in range(5) for phi in ("relu", "tanh")]
    fit = [run(model="resnet20"), run("he_normal")]
    assert left_out([*unfit, *fit], unfit) == [f"fixup does not fit plain14 (10 runs left out): {BRANCHES}"]
    assert left_out(unfit[:1], unfit) == [f"fixup does not fit plain14 (1 run left out): {BRANCHES}"]


@pytest.mark.parametrize(
    ("fit", "place"),
    [
        ({"normalization": "batch"}, "plain14/none"),
        ({"activation": "tanh"}, "plain14/none/relu"),
        ({"dataset": "cifar10"}, "plain14/none/relu/digits"),
        ({"model__width": 8}, "plain14/none/relu/digits/model.width=5"),
    ],
)
def test_a_place_has_as_many_words_as_tell_it_from_one_that_the_arm_fits(fit: dict[str, Any], place: str) -> None:
    unfit = run(model__width=5)
    (sentence,) = left_out([unfit, run(**{"model__width": 5} | fit)], [unfit])
    assert sentence.startswith(f"fixup does not fit {place} (")


def test_an_arm_is_named_with_the_arguments_in_which_it_differs_from_another_of_its_name() -> None:
    unfit, fit = (run(initializer__residual=form, initializer__gain=1.0) for form in ("fixup", "sum"))
    assert left_out([unfit, fit], [unfit]) == [
        f"fixup(residual=fixup) does not fit plain14 (1 run left out): {BRANCHES}"
    ]


def test_the_arms_of_earlier_sweeps_stay_until_one_of_their_runs_is_planned(tmp_path: Path) -> None:
    store = Store(tmp_path, "mine")
    first, more, other = [run(seed=0)], [run(seed=0), run(seed=1)], [run("rezero")]
    for unfit in (first, other, more):
        arms = unfit_arms(unfit, {one.id: BRANCHES for one in unfit})
        store.write_plan([run("he_normal").id], arms)
    assert sentences(store.read().unfit) == [
        f"fixup does not fit plain14 (2 runs left out): {BRANCHES}",
        f"rezero does not fit plain14 (1 run left out): {BRANCHES}",
    ]
    assert set(store.read().left_out) == {one.id for one in (*more, *other)}
    store.write_plan([run(seed=1).id])  # the model has changed: it fits
    assert sentences(store.read().unfit) == [f"rezero does not fit plain14 (1 run left out): {BRANCHES}"]


def test_a_run_with_a_row_is_not_left_out(tmp_path: Path) -> None:
    store, unfit = Store(tmp_path, "mine"), run()
    store.write_plan([], unfit_arms([unfit], {unfit.id: BRANCHES}))
    assert list(store.read().left_out) == [unfit.id]
    store.write(Row(unfit.id, "mine", OK, unfit.choices))
    assert store.read().left_out == {}


def test_the_arms_of_another_machine_are_merged_with_its_rows(tmp_path: Path) -> None:
    there, fit, unfit = Store(tmp_path / "there", "mine"), run("he_normal"), run()
    there.write(Row(fit.id, "mine", OK, fit.choices))
    there.write_plan([fit.id], unfit_arms([fit, unfit], {unfit.id: BRANCHES}))
    merge([tmp_path / "there"], tmp_path / "here")
    assert Store(tmp_path / "here", "mine").read().unfit == there.read().unfit


@pytest.mark.parametrize(
    "broken", ["{", "[]", "7", '{"about": "x"}', '{"about":1,"reason":2,"choices":3,"runs":4}', "\udcff"]
)
def test_a_broken_line_is_passed_over(tmp_path: Path, broken: str) -> None:
    (unfit,) = unfit_arms([run()], {run().id: BRANCHES})
    store = Store(tmp_path, "mine")
    store.write_plan([], [unfit])
    with (store.folder / UNFIT).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{broken}\n")
    assert read(store.folder) in ([unfit], [])
    assert isinstance(store.read().left_out, dict)


def test_an_arm_is_read_as_it_was_written(tmp_path: Path) -> None:
    (unfit,) = unfit_arms([run(seed=1), run(seed=2)], {run(seed=seed).id: BRANCHES for seed in (1, 2)})
    assert isinstance(unfit, UnfitArm)
    store = Store(tmp_path, "mine")
    store.write_plan([], [unfit])
    assert read(store.folder) == [unfit]
