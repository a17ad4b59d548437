"""A task of the user's own, that of CONTRIBUTING.md, is two files and nothing else: a class and a yaml."""

import json
import os
import re
import subprocess
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
def bench(tmp_path):
    (tmp_path / "toy.py").write_text(TASK)
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "sizes.yaml").write_text(YAML.replace("function: Sizes", "function: toy:Sizes"))

    def bench(command, *words, code=0):
        line = [sys.executable, "-m", "bench", command, "--config-dir", str(tmp_path / "conf"), *words]
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            line, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return bench


def test_a_toy_task_is_swept_resumed_and_reported(bench, tmp_path):
    swept = bench("sweep", *WORDS).stdout
    rows = [json.loads(path.read_text()) for path in (tmp_path / "results" / "mine").glob("*.json")]
    assert {(row["status"], row["choices"]["images"]) for row in rows} == {("ok", 32)}
    assert len(rows) == 6
    means = {}
    for row in rows:
        means.setdefault(row["choices"]["initializer"], []).append(row["measures"]["mean_square"])
    record = json.loads(bench("report", "study=mine", "format=json").stdout)
    told = {line["initializer"]: line["mean_square"] for line in record["table"]}
    assert told == pytest.approx({arm: sum(values) / 3 for arm, values in means.items()})
    assert all(arm in swept for arm in means)
    assert json.loads(bench("plan", *WORDS, "format=json").stdout)["left"] == 0


def test_an_argument_of_the_task_is_checked_like_any_other(bench):
    assert "images takes a whole number of at least 1, not 0" in bench("sweep", *WORDS, "images=0", code=2).stderr
    assert "no key is named 'epochs'" in bench("sweep", *WORDS, "epochs=2", code=2).stderr
