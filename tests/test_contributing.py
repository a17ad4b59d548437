"""CONTRIBUTING.md is enough: what its examples add to a copy of the project works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.catalogue import CONF

HOME = CONF.parent
PAGE = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the files and lines that the page adds."""
    home = tmp_path_factory.mktemp("project")
    for folder in ("bench", "conf", "hydra_plugins", "paper"):
        shutil.copytree(HOME / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__", "generated"))
    for path, text in EXAMPLES:
        with (home / path).open("a", encoding="utf-8") as file:
            file.write(text)
    (line,) = re.findall(r'`("hello": Command\(.*?\))`', PAGE)
    insert(home / "bench/commands/__init__.py", "COMMANDS = {\n", f"    {line},\n")
    insert(home / "bench/report/figures/__init__.py", "OF_FINDINGS = (", "best, ")
    insert(home / "bench/report/figures/__init__.py", '"""\n', "from bench.report.figures.best import best\n")
    (place,) = re.findall(r"`(\{\{ place.*?\}\})`", PAGE)
    insert(home / "paper/report.md.j2", '{{ place("arms") }}\n', f"\n{place}\n")
    return home


def insert(path: Path, after: str, text: str) -> None:
    written = path.read_text(encoding="utf-8")
    assert after in written
    path.write_text(written.replace(after, after + text, 1), encoding="utf-8")


@pytest.fixture
def bench(home: Path):
    def bench(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(home)}
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return bench


def test_its_parts_train_and_its_figure_is_in_the_paper(bench, home):
    words = (
        "study=mine",
        "model=tiny",
        "normalization=local_response",
        "initializer=halves,narrow,last_zero",
        "seed=0,1",
    )
    text = bench("sweep", *words, "dataset=synthetic", "epochs=1", "tracking=off", "hydra/launcher=basic")
    assert all(name in text for name in ("halves", "narrow", "last_zero", "6 runs"))
    bench("report", "study=mine", "output=here", "tracking=off")
    page = (home / "here" / "paper.html").read_text(encoding="utf-8")
    assert "The highest mean of each block." in page


def test_a_teams_net_is_swept_by_the_command_of_the_page_on_a_teams_data(bench, home):
    assert (home / "team_net.py").read_text() == (HOME / "tests" / "team_net.py").read_text()
    (line,) = re.findall(r"^python -m bench (sweep study=team .*)$", PAGE, re.MULTILINE)
    tiny = ("dataset=team_data:load", "dataset.noise=0.2", "dataset.subset=64", "batch_size=32", "model.width=4")
    text = bench(*shlex.split(line), *tiny, "epochs=1", "tracking=off", "hydra/launcher=basic")
    assert "model=team_net:TeamNet normalization=own: GroupNorm activation=own: SiLU" in text
    assert all(name in text for name in ("he_normal", "glorot_uniform", "torch_default", "15 runs"))
    assert "nothing wrong" in bench("verify", "study=team")


def test_its_command_runs_and_describes_its_key(bench):
    assert bench("hello", "name=you") == "hello you\n"
    assert "name=world" in bench("hello", "--help")
    assert "greet somebody" in bench("--help")


def test_a_team_gets_a_card_for_its_own_network_and_images(bench):
    (text,) = re.findall(r"^```bash\n(python -m bench sweep study=card .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    small = {"range(5)": "range(2)", "[5,10,20]": "[2,3]", "tune=true": "tune.values=0.0125,0.05,0.2 tune.extend=0"}
    for word, less in small.items():
        assert word in text
        text = text.replace(word, less)
    sweep, recommend = (shlex.split(line)[3:] for line in text.splitlines())
    bench(*sweep, "epochs=1", "tracking=off", "processes=1", "hydra/launcher=basic")
    card = json.loads(bench(*recommend, "study=card", "format=json"))
    assert (card["measured"], card["known"]) == (True, True)
    (rows,) = card["rows"]
    assert rows["study"] == "card"
    assert {*rows["arms"]} == {"he_normal", "glorot_uniform", "torch_default"}
    assert any("tuned for each arm" in one for one in card["scope"])
