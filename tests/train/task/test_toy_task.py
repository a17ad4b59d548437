"""A task of the user's own, that of CONTRIBUTING.md, is two files and nothing else: a class and a yaml."""

import json
import re
import sys

import pytest

from bench.catalogue import CONF

PAGE = (CONF.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
TASK, YAML = re.findall(r"^```\w+\n# \S+/task/sizes\.\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
WORDS = [
    *("study=mine", "task=sizes", "dataset=synthetic", "model=resnet8", "model.width=4", "seed=range(3)"),
    *("initializer=he_normal,glorot_uniform", "tracking=off", "hydra/launcher=basic"),
]


@pytest.fixture
def toy(bench, tmp_path, monkeypatch):
    """A command that takes the task, whose module is imported anew."""
    (tmp_path / "toy.py").write_text(TASK)
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "sizes.yaml").write_text(YAML.replace("function: Sizes", "function: toy:Sizes"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield lambda command, *words, code=0: bench(command, "--config-dir", str(tmp_path / "conf"), *words, code=code)
    sys.modules.pop("toy", None)


def test_a_toy_task_is_swept_resumed_and_reported(toy, tmp_path):
    swept = toy("sweep", *WORDS).stdout
    rows = [json.loads(path.read_text()) for path in (tmp_path / "results" / "mine").glob("*.json")]
    assert {(row["status"], row["choices"]["images"]) for row in rows} == {("ok", 32)}
    assert len(rows) == 6
    means = {}
    for row in rows:
        means.setdefault(row["choices"]["initializer"], []).append(row["measures"]["mean_square"])
    record = json.loads(toy("report", "study=mine", "format=json").stdout)
    table = {line["initializer"]: line["mean_square"] for line in record["table"]}
    assert table == pytest.approx({arm: sum(values) / 3 for arm, values in means.items()})
    assert all(arm in swept for arm in means)
    assert json.loads(toy("plan", *WORDS, "format=json").stdout)["left"] == 0


def test_an_arm_of_a_single_seed_has_a_mean_and_no_interval_beside_one_that_has_both(toy):
    toy("sweep", *(word.replace("he_normal,glorot_uniform", "he_normal") for word in WORDS))
    toy("sweep", *(word.replace("he_normal,", "").replace("range(3)", "0") for word in WORDS))
    single, several = json.loads(toy("report", "study=mine", "format=json").stdout)["table"]
    assert (single["initializer"], single["mean_square_low"], single["mean_square_high"]) == (
        "glorot_uniform",
        None,
        None,
    )
    assert single["mean_square"] > 0
    assert several["mean_square_low"] < several["mean_square"] < several["mean_square_high"]
    for format in ("text", "markdown", "csv"):
        assert "glorot_uniform" in toy("report", "study=mine", f"format={format}", "output=off").stdout


def test_an_argument_of_the_task_is_checked_like_any_other(toy):
    assert "images takes a whole number of at least 1, not 0" in toy("sweep", *WORDS, "images=0", code=2).stderr
    assert "no key of task sizes is named 'epochs'" in toy("sweep", *WORDS, "epochs=2", code=2).stderr
