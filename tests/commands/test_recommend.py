"""The command `recommend`, from a tiny sweep to the lines that it prints."""

import json

import pytest
import torch
from torch import nn

from bench.parts.initializer import streams, variance_scaling

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16", "tracking=off")
AXES = ("initializer=he_normal,glorot_uniform", "seed=range(2)")


@pytest.fixture
def swept(bench):
    bench("sweep", "study=mine", "processes=1", "hydra/launcher=basic", "study.line=0.0", *TINY, *AXES)
    return bench


def test_a_card_of_a_tiny_sweep_names_its_rows_and_prints_lines_that_run(swept):
    found = json.loads(swept("recommend", "model=resnet8", "width=4", "format=json").stdout)
    assert (found["measured"], found["known"]) == (True, True)
    (rows,) = found["rows"]
    assert rows["study"] == "mine"
    assert {name: one["seeds"] for name, one in rows["arms"].items()} == {"he_normal": 2, "glorot_uniform": 2}
    for one in found["code"].values():
        for text in (one["torch"], one["initialize"]):
            exec(text, {"model": nn.Linear(3, 2)})
    assert "Card for model=resnet8 model.depth=8" in swept("recommend", "model=resnet8", "depth=8").stdout


def test_what_was_not_measured_has_a_sweep_that_would_tell_and_its_minutes(swept):
    words = ("recommend", "model=plain8", "model.width=4", "dataset=synthetic", "steps=1", "format=json")
    found = json.loads(swept(*words).stdout)
    assert (found["measured"], found["known"], found["default"]) == (False, False, None)
    assert found["sweep"]["minutes"] > 0
    assert "python -m bench sweep study=card_plain8_4_synthetic_1 model=plain8" in found["sweep"]["command"]


def test_a_run_that_is_trained_again_gives_its_row(swept):
    done = swept("recommend", "model=resnet8", "check=true", "study=mine")
    assert "trained again now, gives the same result to the last digit" in " ".join(done.stdout.split())


@pytest.fixture
def later(monkeypatch):
    """As if the code had changed since the sweep, so that runs are begun again."""
    monkeypatch.setattr("bench.commands.recommend.unchanged", lambda rows: False)


def test_a_card_says_nothing_of_changed_code_that_makes_the_same_rows(swept, later):
    found = json.loads(swept("recommend", "model=resnet8", "format=json").stdout)["expiry"]
    assert (found["status"], found["begun"], found["text"]) == ("current", 2, "")
    assert "Expired" not in swept("recommend", "model=resnet8").stdout


def test_a_card_has_expired_where_todays_code_draws_other_weights(swept, later, monkeypatch):
    usual = streams.normal_draw
    monkeypatch.setitem(variance_scaling.DISTRIBUTIONS, "normal", lambda std: usual(1.01 * std))
    shown = " ".join(swept("recommend", "model=resnet8").stdout.split())
    assert "Expired: run" in shown
    assert "has another initial" in shown


def test_a_run_is_begun_again_with_the_threads_of_its_row(swept, later):
    for check in ("false", "true"):
        torch.set_num_threads(2)
        shown = swept("recommend", "model=resnet8", f"check={check}").stdout
        assert torch.get_num_threads() == 1
        assert "Expired" not in shown
    assert "gives the same result to the last digit" in " ".join(shown.split())


def test_whether_rows_have_expired_is_not_known_where_their_runs_cannot_begin(swept, later, monkeypatch):
    monkeypatch.setattr("bench.commands.recommend.functions_of", lambda row: {})
    assert "is not known: conf/ has no longer all parts of run" in " ".join(
        swept("recommend", "model=resnet8").stdout.split()
    )


def test_the_runs_of_a_tuned_study_begin_at_their_values_and_not_at_a_word_for_them(bench, later):
    tune = ("tune.values=0.01,0.05,0.2", "tune.seeds=[9]", "tune.extend=0", "study.line=0.0")
    bench("sweep", "study=mine", "processes=1", "hydra/launcher=basic", *TINY, *AXES, *tune)
    found = json.loads(bench("recommend", "model=resnet8", "format=json", "check=true").stdout)
    assert found["settings"][0]["tuned"]
    assert (found["expiry"]["status"], found["expiry"]["begun"]) == ("current", 2)
    assert "gives the same result to the last digit" in found["expiry"]["checked"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "for which network?"),
        (("model=resnt",), "no model is named 'resnt'"),
        (("model=resnet8,resnet20",), "model has 2 values; a card is for one of them"),
        (("initializer=he_normal",), "initializer is not part of a setting"),
        (("model=resnet8", "study=other"), "study other has no rows in results; there: none"),
        (("model=resnet8", "epohcs=3"), "epohcs"),
        (("model=resnet8", "depth=-1"), "depth -1 is not 6n+2"),
        (("model=resnet8", "width=-3"), "model.width takes a whole number of at least 1, not -3"),
    ],
)
def test_a_mistake_is_a_sentence(bench, words, sentence):
    assert sentence in bench("recommend", *words, code=2).stderr


def test_without_any_rows_nothing_is_known(bench):
    done = bench("recommend", "model=resnet8", "model.width=4", "dataset=synthetic", "steps=1")
    assert "Not known" in done.stdout
    assert "python -m bench sweep study=card_resnet8" in done.stdout
