"""What README.md shows is what the committed rows say."""

import re

import yaml

from bench.benchmarks.scale import table as scale
from bench.benchmarks.speed import table as speed
from bench.benchmarks.throughput import table as throughput
from bench.catalogue import CONF, options
from bench.report import render, summarize
from bench.rows.store import Store

HOME = CONF.parent
README = (HOME / "README.md").read_text(encoding="utf-8")
HOW_FAST = README.partition("\n## How fast weights are drawn\n")[2].partition("\n## ")[0]
TRAINING = README.partition("\n## How fast runs train\n")[2].partition("\n## ")[0]
HOW_LARGE = README.partition("\n## How large\n")[2].partition("\n## ")[0]


def test_the_tables_and_the_answer_are_made_of_the_committed_rows():
    margin = yaml.safe_load((CONF / "settings.yaml").read_text())["margin"]
    rows = Store(HOME / "results", "question").read().rows.values()
    summary = summarize(rows, margin, options("study")["default"]["question"])
    written = render(summary, "markdown")
    assert summary.question.answer in README
    rest = README.replace(TRAINING, "").replace(HOW_FAST, "").replace(HOW_LARGE, "")
    tables = re.findall(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert len(tables) == 2
    assert all(table in written for table in tables)
    scaled = {round(value, 1) for value in summary.blocks["margin_points"]}
    assert f"within {scaled.pop()} points" in README.replace("\n", " ")


def test_the_speeds_are_those_of_the_committed_rows():
    rows = Store(HOME / "results", "throughput").read().rows.values()
    written = throughput.render(rows, "markdown")
    lines = re.findall(r"^\|.*$", HOW_FAST, re.MULTILINE)
    assert len(lines) > 2
    assert all(line in written.splitlines() for line in lines)
    told = [throughput.places(rows), *throughput.sentences(throughput.frame(rows))]
    assert all(sentence in " ".join(HOW_FAST.split()) for sentence in told)


def test_the_speeds_of_training_are_those_of_the_committed_rows():
    studies = [list(Store(HOME / "results", study).read().rows.values()) for study in ("speed_avx2", "speed")]
    tables = re.findall(r"(?:^\|.*\n)+", TRAINING, re.MULTILINE)
    for rows, table in zip(studies, tables, strict=True):
        lines, told = table.splitlines(), TRAINING.partition(table)[2].partition("\n|")[0]
        assert len(lines) > 2
        assert set(lines) <= set(speed.render(rows, "markdown").splitlines())
        assert all(sentence in " ".join(told.split()) for sentence in speed.sentences(rows))


def test_the_times_of_a_large_store_are_those_of_the_committed_rows():
    lines = re.findall(r"^\|.*$", HOW_LARGE, re.MULTILINE)
    assert len(lines) > 2
    assert set(lines) <= set(
        scale.render(list(Store(HOME / "results", "scale").read().rows.values()), "markdown").splitlines()
    )


def test_every_module_that_the_house_names_is_there():
    listing = README.partition("## The house")[2]
    for name in re.findall(r"^(?:bench|hydra_plugins|results|paper|tests|conf)[\w/.]*", listing, re.MULTILINE):
        assert (HOME / name).exists(), name
