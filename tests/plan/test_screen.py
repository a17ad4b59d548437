"""The runs of a study that drops arms, as its rows grow."""

from dataclasses import replace

import pytest

from bench.launch.stages import staged
from bench.machine.settings import Screen, Tune
from bench.plan.plan import plan
from bench.plan.screen import rungs
from bench.schema import OK, Row, UserError

ARMS = ("he_normal", "glorot_uniform", "lecun_normal", "orthogonal")
WORDS = ("dataset=synthetic", "model=resnet8", f"initializer={','.join(ARMS)}", "seed=range(3)")
SCORES = dict(zip(ARMS, (0.9, 0.2, 0.8, 0.1), strict=True))


@pytest.fixture
def study(settings):
    screen = Screen.read({"rungs": [1], "seeds": "range(200,204)"})
    return replace(settings.study, screen=screen)


@pytest.fixture
def runs(compose):
    return lambda study, words=WORDS: plan(compose, study, words).runs


def ended(found):
    rows = [
        Row(run.id, run.study, OK, run.choices, {"validation_accuracy": SCORES[run.choices["initializer"]]})
        for run in found
    ]
    return {row.id: row for row in rows}


def names(found):
    return {run.choices["initializer"] for run in found}


def test_first_come_the_rungs_and_then_the_arms_that_go_on_in_full(study, runs):
    first = rungs(runs(study), study, {})
    assert (names(first.runs), {run.choices["seed"] for run in first.runs}) == ({*ARMS}, {200})
    assert (len(first.kept), len(first.maybe)) == (0, 6)
    second = rungs(runs(study), study, ended(first.runs))
    assert names(second.kept) == {"he_normal", "lecun_normal"}
    assert (len(second.kept), len(second.maybe)) == (6, 0)


def test_an_arm_of_the_question_is_never_dropped(study, runs):
    asking = replace(study, question=["orthogonal", "glorot_uniform"])
    found = rungs(runs(asking), asking, ended(rungs(runs(asking), asking, {}).runs))
    assert names(found.kept) == {*ARMS}


def test_a_study_screens_then_tunes_then_trains(study, compose):
    tune = Tune.read(
        {"key": "optimizer.learning_rate", "values": [0.05, 0.2], "seeds": [100], "extend": 0, "shared": None}
    )
    both = replace(study, tune=tune)
    planned, rows, sizes = plan(compose, both, WORDS), {}, []
    for _ in range(3):
        found = staged(planned, both, rows)
        sizes.append((len(found.runs), bool(found.later)))
        rows |= ended(run for run in found.runs if run.id not in rows)
    screening, tuning, final = 4 * 2, 2 * 2, 2 * 3
    assert sizes == [(screening, True), (screening + tuning + final, True), (screening + tuning + final, False)]


@pytest.mark.parametrize(
    ("words", "screen", "sentence"),
    [
        (("seed=199,200",), {}, "seed 200 is one of study.screen.seeds and of the study or its tuning"),
        ((), {"rungs": [5]}, "study.screen.rungs asks for 5 seeds, and study.screen.seeds has 4"),
    ],
)
def test_what_cannot_be_screened_is_refused_in_a_sentence(study, runs, words, screen, sentence):
    changed = replace(study, screen=replace(study.screen, **screen))
    with pytest.raises(UserError, match=sentence):
        rungs(runs(changed, (*WORDS[:3], *words)), changed, {})
