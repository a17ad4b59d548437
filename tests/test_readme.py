"""What README.md shows is what the committed rows and conf/ say."""

import json
import math
import re
import subprocess
import sys

import pytest

from bench.axes import parse
from bench.catalogue import CONF, load, options
from bench.commands import COMMANDS, errors
from bench.rows.store import Store

HOME = CONF.parent
README = (HOME / "README.md").read_text(encoding="utf-8")
MOST_LINES = 135
STUDY = "confirmation"  # whose table is the answer


def section(title):
    """A section without its code, on one line."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def on_one_line(text):
    return " ".join(text.split())


def report(study, form):
    words = ["report", f"study={study}", f"format={form}", "output=off"]
    return subprocess.run([sys.executable, "-m", "bench", *words], cwd=HOME, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def rows():
    return list(Store(HOME / "results", STUDY).read().rows.values())


@pytest.fixture(scope="module")
def said():
    """What the report says of the rows, for a program."""
    return json.loads(report(STUDY, "json"))


@pytest.fixture(scope="module")
def facts(rows, said):
    """The parts of sentences that have a number, each made of the rows or of conf/."""

    def only(key):
        (value,) = {row.choices[key] for row in rows}
        return value

    seeds = {row.choices["seed"] for row in rows}
    assert len(said["table"]) * len(seeds) == len(rows)
    (classes,) = {row.environment["classes"] for row in rows}
    declared, defaults = options("study")[STUDY], load(CONF / "settings.yaml")["study"]
    threshold = 1 / classes + declared["line"] * (1 - 1 / classes)
    looks = [str(look) for look in defaults["looks"]]
    return [
        f"The {len(rows):,} fresh runs are {len(seeds)} seeds per arm and block, {only('epochs')} epochs on "
        f"{only('dataset')}, {only('dataset.test')} test images, networks of width {only('model.width')}, "
        f"one learning rate of {only('optimizer.learning_rate')}",
        f"from {declared['margin']:g} point of accuracy or {100 * declared['rate_margin']:g} points of training rate",
        f"above {100 * threshold:.0f} % of validation accuracy",
        f"verdicts are given at {', '.join(looks[:-1])} and {looks[-1]} seeds",
        *(one for one in sentences(said["answer"]) if re.search("did not train|to take", one)),
    ]


def sentences(text):
    return re.findall(r"\S.*?\.(?= |$)", text)


def tables_of(page):
    return re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)


def test_the_table_of_the_answer_is_made_of_the_committed_rows():
    assert tables_of(README)[0] in report(STUDY, "markdown").partition("### The question")[2]


def test_the_verdicts_on_claims_are_those_of_their_page():
    page = (HOME / "results" / "claims" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in tables_of(page)[0].splitlines()[2:]]
    found = {verdict: [] for verdict in ("supported", "refuted", "undecided")}
    for name, *_, verdict in lines:
        if verdict in found and name not in ("control_true", "control_false"):
            found[verdict].append(name)
    shown = [f"| {verdict} | {len(names)} | {', '.join(names)} |" for verdict, names in found.items()]
    assert tables_of(README)[1].splitlines()[2:] == shown


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
    named = set(re.findall(r"(?:^|(?<= ))[a-z_]+(?= |$)", written))
    assert {*COMMANDS} - named <= {"run"}


def test_every_place_that_the_house_names_is_there():
    names = re.findall(r"^(?:bench|results|paper|tests|conf)[\w/.]*", README.partition("## The house")[2], re.MULTILINE)
    assert {f"bench/{room.name}/" for room in (HOME / "bench").glob("*/") if (room / "__init__.py").exists()} <= {
        *names
    }
    assert all((HOME / name).exists() for name in names)


def test_a_newcomer_has_few_lines_to_read():
    assert len(README.splitlines()) <= MOST_LINES
