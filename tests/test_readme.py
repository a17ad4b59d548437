"""What README.md shows is what the committed rows and conf/ say."""

import math
import re

import pytest

from bench.axes import parse
from bench.catalogue import CONF, load, options
from bench.commands import COMMANDS, errors
from bench.machine.settings import Tune
from bench.rows.store import Store

HOME = CONF.parent
README = (HOME / "README.md").read_text(encoding="utf-8")
MOST_LINES = 135
RESNET, PLAIN = "practice_digits_resnet20", "practice_digits_plain14"
PHOTOGRAPHS = ("practice_fashion_mnist", "practice_cifar10_jpeg")
STUDIES = (RESNET, PLAIN, *PHOTOGRAPHS)  # whose settings it tells
PAGE = (HOME / "results" / "README.md").read_text(encoding="utf-8")  # a test of its own compares it with the rows


def section(title):
    """A section without its code, on one line."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def on_one_line(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def rows():
    """The rows of each study."""
    return {name: list(Store(HOME / "results", name).read().rows.values()) for name in STUDIES}


@pytest.fixture(scope="module")
def facts(rows):
    """The parts of sentences that have a number, each made of the rows or of conf/."""
    looks = [str(look) for look in load(CONF / "settings.yaml")["study"]["looks"]]
    return [
        *(setting(name, rows[name]) for name in STUDIES),
        *judged(options("study")[RESNET]),
        f"({options('study')[PHOTOGRAPHS[1]]['margin']:g} on cifar10_jpeg)",
        f"verdicts are given at {', '.join(looks[:-1])} and {looks[-1]} seeds",
    ]


def setting(name, rows):
    (images,) = {row.environment["test_images"] for row in rows}
    axes = options("study")[name]["axes"]
    net = f"{axes['model']} of width {axes['model.width']}"
    return f"{net} on {axes['dataset']}, {axes['epochs']} epochs, {images:,} test images"


def judged(study):
    tune = Tune.read(study["tune"] | {"key": "optimizer.learning_rate", "shared": 0.05})
    return [
        f"{len(tune.seeds)} seeds of its own choose from {len(tune.values)} rates",
        f"{study['looks'][0]} to {study['looks'][-1]} fresh seeds",
        f"from {study['margin']:g} point of accuracy",
        f"or {100 * study['rate_margin']:g} points of training rate",
    ]


def tables_of(page):
    return re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)


def lines_of(heading):
    """The lines of the table under a heading of the page, each as its cells."""
    (table, *_) = tables_of(PAGE.partition(f"## {heading}\n")[2])
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_lines_to_type_are_what_the_studies_take():
    found = {(study, where): take.split(" or ")[0] for study, where, take, *_ in lines_of("What to take")}
    for norm in ("batch", "group"):
        name = found[RESNET, f"with {norm} norm"]
        assert f'initialize(model, "{name}", seed=0)  # a ResNet with batch norm or group norm' in README
    for study, net in ((RESNET, "ResNet"), (PLAIN, "plain net")):
        name = found[study, "without normalization"]
        assert f'initialize(model, "{name}", seed=0)  # a {net} without normalization' in README


def test_with_a_normalization_the_question_is_answered_within_the_margins_but_on_one_dataset():
    answers = {(question, where): cells for question, where, *cells in lines_of("The answers of these studies")}
    for norm in ("batch", "group"):
        blocks, within, better, *_ = answers["tf_variance_scaling or glorot_uniform", f"with {norm} norm"]
        assert (better, int(within)) == ("-", int(blocks) - (norm == "batch"))
    of_cifar = PAGE.partition("\n## practice_cifar10_jpeg:")[2]
    assert of_cifar.partition("\n\n")[2].startswith("tf_variance_scaling or glorot_uniform? Undecided in all 4 blocks.")


def test_the_table_on_top_is_that_of_the_page():
    assert tables_of(README)[0] == tables_of(PAGE)[0]


def test_the_verdicts_on_claims_are_those_of_their_page():
    page = (HOME / "results" / "claims" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in tables_of(page)[0].splitlines()[2:]]
    found = {verdict: [] for verdict in ("supported", "refuted", "undecided")}
    for name, *_, verdict in lines:
        if verdict in found and name not in ("control_true", "control_false"):
            found[verdict].append(name)
    shown = [f"| {verdict} | {len(names)} | {', '.join(names)} |" for verdict, names in found.items()]
    assert tables_of(README)[1].splitlines()[2:] == shown


def test_each_bold_sentence_is_on_the_page_and_each_number_is_compared(rows, facts):
    text = re.sub(r"```.*?```|^\|[^\n]*\n|`[^`]*`", "", README, flags=re.DOTALL | re.MULTILINE)
    text = on_one_line(re.sub(r"\]\(.*?\)", "", text))
    answers = re.findall(r"\*\*(.*?)\*\*", text)
    assert len(answers) == 2
    assert all(answer in on_one_line(PAGE) for answer in answers)
    for fact in [*answers, *facts, *versions(rows[RESNET]), *exit_codes(), f"({runs_of_the_main_job()} runs;"]:
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
