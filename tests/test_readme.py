"""What README.md shows is what the committed rows say."""

import re

import yaml

from bench.catalogue import CONF, options
from bench.report import render, summarize
from bench.rows.store import Store

HOME = CONF.parent
README = (HOME / "README.md").read_text(encoding="utf-8")


def test_the_tables_and_the_answer_are_made_of_the_committed_rows():
    margin = yaml.safe_load((CONF / "settings.yaml").read_text())["margin"]
    rows = Store(HOME / "results", "question").read().rows.values()
    summary = summarize(rows, margin, options("study")["default"]["question"])
    written = render(summary, "markdown")
    assert summary.question.answer in README
    tables = re.findall(r"(?:^\|.*\n)+", README, re.MULTILINE)
    assert len(tables) == 2
    assert all(table in written for table in tables)
    scaled = {round(value, 1) for value in summary.blocks["margin_points"]}
    assert f"within {scaled.pop()} points" in README.replace("\n", " ")


def test_every_module_that_the_house_names_is_there():
    listing = README.partition("## The house")[2]
    for name in re.findall(r"^(?:bench|hydra_plugins|results|paper|tests|conf)[\w/.]*", listing, re.MULTILINE):
        assert (HOME / name).exists(), name
