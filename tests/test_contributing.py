"""CONTRIBUTING.md is enough: what its examples add to a copy of the project works."""

import os
import re
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
    page = (home / "here" / "report.html").read_text(encoding="utf-8")
    assert "The highest mean of each block." in page


def test_its_command_runs_and_describes_its_key(bench):
    assert bench("hello", "name=you") == "hello you\n"
    assert "name=world" in bench("hello", "--help")
    assert "greet somebody" in bench("--help")
