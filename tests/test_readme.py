"""What README.md shows is what the committed rows and conf/ say."""

import json
import math
import re
import subprocess
import sys

import pytest

from bench.catalogue import CONF, options
from bench.commands import COMMANDS, errors
from bench.plan.plan import parse
from bench.report.analysis.finding import NEAR_CHANCE
from bench.rows.store import Store
from bench.schema import DIVERGED, OK

HOME = CONF.parent
README = (HOME / "README.md").read_text(encoding="utf-8")
MOST_LINES = 120
LARGEST_TABLE = 5  # lines, the heading among them


def section(title):
    """A section without its code, on one line."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def on_one_line(text):
    return " ".join(text.split())


def report(form):
    words = ["report", "study=question", f"format={form}", "output=off"]
    return subprocess.run([sys.executable, "-m", "bench", *words], cwd=HOME, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def rows():
    return list(Store(HOME / "results", "question").read().rows.values())


@pytest.fixture(scope="module")
def said():
    """What the report says of the rows, for a program."""
    return json.loads(report("json"))


@pytest.fixture(scope="module")
def facts(rows, said):
    """The parts of sentences that have a number, each made of the rows."""

    def only(key):
        (value,) = {row.choices[key] for row in rows}
        return value

    seeds, trained = {row.choices["seed"] for row in rows}, [row for row in rows if row.status == OK]
    assert len(said["table"]) * len(seeds) == len(rows)
    (margin,) = {round(block["margin_points"], 1) for block in said["blocks"]}
    (classes,) = {row.environment["classes"] for row in rows}
    limit = NEAR_CHANCE / classes
    stuck = sum(row.measures["test_accuracy"] <= limit for row in trained)
    diverged = sum(row.status == DIVERGED for row in rows)
    assert len(trained) + diverged == len(rows)
    return [
        f"{len(rows)} runs: {len(seeds)} seeds per arm and block, {only('epochs')} epochs on {only('dataset')}, "
        f"{only('dataset.test')} test images, networks of width {only('model.width')}, "
        f"one learning rate of {only('optimizer.learning_rate')}",
        f"within {margin} points, of the runs that did not diverge: {diverged} runs diverged (*)",
        f"{stuck} of the {len(trained)} others ended near chance, at {100 * limit:.0f} % or less",
    ]


def test_the_table_of_the_answer_is_made_of_the_committed_rows(said):
    written = report("markdown")
    (table,) = re.findall(r"(?:^\|.*\n)+", README, re.MULTILINE)
    heading, rule, *lines = table.splitlines()
    assert f"{heading}\n{rule}\n" in written
    assert set(lines) <= set(written.splitlines())
    assert len([heading, *lines]) <= LARGEST_TABLE
    without_norm = {block["name"] for block in said["blocks"] if block["normalization"] == "none"}
    assert {line.split(" | ")[0].removeprefix("| ") for line in lines} == without_norm


def test_each_bold_sentence_and_each_number_is_compared(rows, said, facts):
    text = re.sub(r"```.*?```|^\|[^\n]*\n|`[^`]*`", "", README, flags=re.DOTALL | re.MULTILINE)
    text = on_one_line(re.sub(r"\]\(.*?\)", "", text))
    answer = said["question"]["answer"]
    assert re.findall(r"\*\*(.*?)\*\*", text) == [answer]
    for fact in [answer, *facts, *versions(rows), *exit_codes(), f"({runs_of_the_main_job()} runs;"]:
        assert fact in text
        text = text.replace(fact, "")
    assert not re.findall(r".{20}(?<!SIGUSR)\d.{,20}", text)


def versions(rows):
    """The versions that the rows name, and those that pyproject.toml allows and no row has."""
    pythons, torches = ({row.environment[key] for row in rows} for key in ("python", "torch"))
    (made_by,), (torch,) = pythons, torches
    return [f"by Python {made_by} and torch {torch},", "On Python 3.12 and 3.13 the tests"]


def exit_codes():
    return [f"Exit codes: 0 done, 1 a run failed, {errors.MISTAKE} a mistake", f"{errors.INTERRUPTED} interrupted"]


def runs_of_the_main_job():
    """The product of the axes of the default study."""
    axes = options("study")["default"]["axes"]
    return math.prod(len(values) for values in parse([f"{key}={value}" for key, value in axes.items()]).values())


def test_each_command_is_named_and_each_named_one_exists():
    written = " ".join(re.findall(r"`(.*?)`", section("Commands")))
    named = set(re.findall(r"(?:^|(?<= ))[a-z]+(?= |$)", written))
    assert {*COMMANDS} - named <= {"run"}


def test_every_place_that_the_house_names_is_there():
    names = re.findall(r"^(?:bench|results|paper|tests|conf)[\w/.]*", README.partition("## The house")[2], re.MULTILINE)
    assert {f"bench/{room.name}/" for room in (HOME / "bench").glob("*/") if (room / "__init__.py").exists()} <= {
        *names
    }
    assert all((HOME / name).exists() for name in names)


def test_a_newcomer_has_few_lines_to_read():
    assert len(README.splitlines()) <= MOST_LINES
