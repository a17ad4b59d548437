"""Tuned studies from the command line, in the commands that come after the sweep."""

import json

import pytest

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16", "tracking=off")
AXES = ("initializer=he_normal,glorot_uniform", "seed=range(2)")
TUNE = ("tune.values=0.0125,0.05,0.2", "tune.seeds=range(100,102)", "tune.extend=0")


@pytest.fixture
def sweep(bench):
    def sweep(*words, **changes):
        return bench("sweep", "study=mine", "processes=1", "hydra/launcher=basic", *TINY, *AXES, *words, **changes)

    return sweep


def test_a_tuned_study_is_planned_swept_reported_and_verified(bench, sweep):
    planned = json.loads(bench("plan", "study=mine", *TINY, *AXES, *TUNE, "format=json").stdout)
    assert [planned[key] for key in ("total", "left", "later")] == [2 * 3 * 2 + 4, 2 * 3 * 2 + 4, 4]
    sweep(*TUNE)
    said = json.loads(bench("report", "study=mine", "format=json").stdout)  # which has the words of the sweep
    assert said["tuning"]["runs"] == 12
    assert {arm["shared_value"] for arm in said["tuning"]["arms"]} == {0.05}
    assert {block["optimizer.learning_rate"] for block in said["blocks"]} <= {"shared", "tuned"}
    status = json.loads(bench("status", "study=mine", "format=json").stdout)
    assert (status["left"], status["later"]) == (0, 0)
    done = json.loads(bench("plan", "study=mine", *TINY, *AXES, "format=json").stdout)
    assert (done["left"], done["later"]) == (0, 0)
    assert "tuning run" not in bench("verify", "study=mine", "mixed=true").stdout


def test_tune_true_takes_a_grid_around_the_shared_value(bench):
    planned = json.loads(bench("plan", "study=mine", *TINY, *AXES, "tune=true", "format=json").stdout)
    assert planned["total"] == 2 * 5 * 3 + 4


def test_the_seeds_that_tune_are_none_of_the_study(bench):
    refused = bench("plan", "study=mine", *TINY, *AXES, "tune=true", "tune.seeds=[1,7]", code=2)
    assert "seed 1 is one of study.tune.seeds and of the study" in refused.stderr


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("tune.seeds=abc", "study.tune.seeds takes different seeds as [0,1] or range(start,stop), not 'abc'"),
        ("tune.seeds=[3,3]", "study.tune.seeds takes different seeds"),
        ("tune.seeds=[-1]", "study.tune.seeds takes"),
        ("tune.values=0.2,0.05", "study.tune.values takes a list"),
        ("tune.values=0", "study.tune.values takes a list"),
        ("tune.extend=-1", "study.tune.extend takes a whole number of at least 0, not -1"),
        ("tune.valeus=[1]", "valeus"),
        ("tune=yes", "study.tune takes keys {KEY: VALUE}, not"),
        ("until=dawn", "study.until takes decided or null, not 'dawn'"),
    ],
)
def test_a_mistake_is_a_sentence(bench, word, sentence):
    refused = bench("plan", "study=mine", *TINY, *AXES, word, code=2)
    assert sentence in refused.stderr


def test_one_shared_value_is_declared_in_one_way(bench):
    refused = bench("plan", "study=mine", *TINY, *AXES, "tune=true", "tune.shared=0.1", code=2)
    assert "study.tune.shared is 0.1, but optimizer.learning_rate is 0.05; give both the same" in refused.stderr


def test_tune_false_ends_what_the_last_sweep_declared(bench, sweep, tmp_path):
    sweep(*TUNE)
    assert (tmp_path / "results" / "mine" / "study.txt").exists()
    sweep("tune=false")
    assert not (tmp_path / "results" / "mine" / "study.txt").exists()


def test_a_merge_takes_over_how_the_study_tunes(bench, sweep, tmp_path):
    sweep(*TUNE)
    (tmp_path / "results").rename(tmp_path / "other")
    bench("merge", "other", "study=mine")
    assert (tmp_path / "results" / "mine" / "study.txt").read_text() == (
        tmp_path / "other" / "mine" / "study.txt"
    ).read_text()


def test_a_rate_of_the_command_line_is_the_shared_one_also_where_it_is_not_repeated(bench, sweep):
    words = ("optimizer.learning_rate=0.2", *TUNE)
    table = json.loads(sweep(*words, "format=json").stdout)
    for said in (table, json.loads(bench("report", "study=mine", "format=json").stdout)):
        assert {arm["shared_value"] for arm in said["tuning"]["arms"]} == {0.2}
    again = json.loads(bench("plan", "study=mine", *TINY, *AXES, "format=json").stdout)  # at the rate of conf/, 0.05
    assert again["left"] == 2 * 2
    assert "neither" not in bench("verify", "study=mine", *TINY, *AXES, *words, "mixed=true").stdout


def test_a_yaml_that_tunes_is_not_changed_by_what_a_sweep_left(bench, tmp_path):
    study = tmp_path / "conf" / "study"
    study.mkdir(parents=True)
    axes = "{dataset: synthetic, model: resnet8, initializer: 'he_normal,glorot_uniform', steps: 1, batch_size: 16}"
    declared = "{name: team, law: a, source: a, axes: %s, tune: {values: [0.05, 0.2], seeds: [100], extend: %d}}"
    (study / "team.yaml").write_text(declared % (axes, 0))
    words = ("study=team", "--config-dir", "conf", "processes=1", "hydra/launcher=basic", "tracking=off")
    bench("sweep", *words)
    (study / "team.yaml").write_text(declared % (axes, 1))
    grown = json.loads(bench("plan", *words, "format=json").stdout)
    assert grown["left"] > 0
