"""The command `probe`: arms as a sweep builds them, diagnosed."""

import io
import json

import pandas as pd
import pytest

WORDS = ("model=resnet8", "model.width=4", "examples=16")


@pytest.fixture
def probe(bench):
    def probe(*words, code=0):
        return bench("probe", *WORDS, *words, code=code)

    return probe


def test_a_healthy_arm_is_said_to_be_one_and_its_figure_is_written(probe, tmp_path):
    (tmp_path / "results").mkdir()
    out = probe("seed=range(2)", "output=results/figure.svg").stdout
    assert out.startswith("resnet8: no problem found")
    assert (tmp_path / "results/figure.svg").read_text().lstrip().startswith("<?xml")


def test_noise_of_any_shape_stands_in_for_data(probe):
    record = json.loads(probe("input=5,16,16", "classes=7", "format=json").stdout)
    (arm,) = record["models"]
    assert arm["layers"][0]["shape"] == "16x4x16x16"
    assert arm["layers"][-1]["shape"] == "16x7"


def test_an_arm_with_a_problem_ends_with_1_and_shows_what_repairs_it(probe):
    words = ("normalization=none", "initializer=he_normal,constant(value=0.5)", "fix=true")
    out = probe(*words, "format=json", code=1).stdout
    healthy, wrong = sorted(json.loads(out)["models"], key=lambda one: len(one["problems"]))
    assert (healthy["problems"], healthy["fixed"]) == ([], None)
    assert wrong["problems"][0]["fix"].startswith("initialize(model")
    assert wrong["fixed"]["problems"] == []


def test_csv_has_a_line_per_arm_and_operation(probe):
    found = pd.read_csv(io.StringIO(probe("initializer=he_normal,glorot_uniform", "format=csv").stdout))
    assert set(found["arm"]) == {"resnet8, he_normal", "resnet8, glorot_uniform"}
    assert {"second_moment", "expected_second_moment", "gradient"} <= {*found}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("input=3,224",), "input takes channels, height and width"),
        (("output=figure.doc",), "output=figure.doc is no figure"),
        (("output=f.svg", "initializer=he_normal,zeros"), "takes the figure of one arm, and these are 2"),
        (("learning_rate=-1",), "learning_rate"),
    ],
)
def test_a_mistake_is_a_sentence(probe, words, sentence):
    assert sentence in probe(*words, code=2).stderr
