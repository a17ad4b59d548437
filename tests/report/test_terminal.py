import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.report import FORMATS, render, sheet, summarize
from bench.report.analysis.frame import arms
from bench.report.analysis.rules import Rules
from bench.report.analysis.summary import Summary
from bench.report.wording.answer import answer
from bench.report.wording.block import sentence
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


@pytest.fixture
def summary(arm: MakeArm, row: MakeRow, rules: Rules) -> Summary:
    return summarize(
        [
            *arm("he_normal", [0.9, 0.91, 0.92]),
            *arm("fixup", [1 / 3, 0.35, 0.36]),
            *arm("he_normal", [0.8], epochs=12),
            row("lost", status="diverged"),
            row("lost", 1, status="failed"),
        ],
        rules,
    )


def test_text_shows_each_block_with_its_table_and_its_sentence(summary: Summary) -> None:
    text = " ".join(render(sheet(summary), "text").split())
    assert text.count("initializer trained failed accuracy % all runs %") == 2
    assert "he_normal 3 of 3 0 91.00 [88.52, 93.48] 91.00 50.0 2.0" in text
    assert "lost 0 of 1 1 - 10.00 - -" in text
    assert "he_normal 1 of 1 0 80.00 80.00 50.0 2.0" in text
    assert all(each in text for each in [*map(sentence, summary.findings), answer(summary)])
    assert "6 runs" not in text
    assert "9 runs: 7 trained, 0 stalled, 1 diverged, 1 failed, 0 preempted." in text


def test_code_in_a_sentence_has_marks_on_a_page_and_none_on_a_terminal(summary: Summary) -> None:
    said = replace(sheet(summary), parts=["The study `coverage` has the laws."], page=None)
    assert render(said, "text") == "The study coverage has the laws.\n"
    assert render(said, "markdown") == "The study `coverage` has the laws.\n"


def test_columns_of_text_are_aligned_and_sentences_wrapped(summary: Summary) -> None:
    parts = render(sheet(summary), "text", width=60).split("\n\n")
    _, *table = parts[0].splitlines()
    assert len(table) == 4
    assert len({len(line) for line in table}) == 1
    assert all(len(line) <= 60 for part in (parts[1], *parts[-2:]) for line in part.splitlines())


def test_a_status_that_no_run_has_takes_no_column(arm: MakeArm, rules: Rules) -> None:
    assert "failed" not in render(sheet(summarize(arm("a", [0.9, 0.8]), rules)), "text").splitlines()[1]


def test_markdown_has_one_pipe_table_per_block(summary: Summary) -> None:
    text = render(sheet(summary), "markdown")
    rows = [line for line in text.partition("### model")[2].splitlines() if line.startswith("|")]
    assert text.count("\n### model=resnet20") == 2
    assert len({line.count("|") for line in rows}) == 1
    assert sum(line.startswith("| ---") for line in rows) == 2
    assert all(sentence(finding) in text for finding in summary.findings)


def test_a_pipe_in_a_name_does_not_break_the_markdown_table(arm: MakeArm, rules: Rules) -> None:
    rows = render(sheet(summarize(arm("a|b", [0.9, 0.8]), rules)), "markdown").splitlines()
    assert any(line.startswith(r"| a\|b |") for line in rows)


def test_csv_is_the_table_in_full_precision(summary: Summary) -> None:
    lines = list(csv.DictReader(io.StringIO(render(sheet(summary), "csv"))))
    assert len(lines) == len(arms(summary.findings)) == 4
    found = [float(line["accuracy_mean"]) for line in lines if line["initializer"] == "fixup"]
    assert found == [one.mean for finding in summary.findings for one in finding.arms if one.name == "fixup"]
    assert [line["accuracy_mean"] for line in lines if line["initializer"] == "lost"] == [""]
    assert {line["epochs"] for line in lines} == {"6", "12"}


def test_json_is_strict_and_holds_everything(summary: Summary) -> None:
    def refuse(token: str) -> None:
        raise ValueError(token)

    document = json.loads(render(sheet(summary), "json"), parse_constant=refuse)
    assert document["counts"] == {"trained": 7, "stalled": 0, "diverged": 1, "failed": 1, "preempted": 0}
    assert document["answer"] == answer(summary)
    assert [block["sentence"] for block in document["blocks"]] == [*map(sentence, summary.findings)]
    assert [line["epochs"] for line in document["table"]] == [6, 6, 6, 12]
    lost = next(line for line in document["table"] if line["initializer"] == "lost")
    assert (lost["accuracy_mean"], lost["diverged"]) == (None, 1)
    assert document["pairs"][0]["accuracy_difference"] == summary.findings[0].pairs[0].accuracy.difference


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_ends_with_one_newline(summary: Summary, format: str) -> None:
    text = render(sheet(summary), format)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_an_unknown_format_is_refused_with_the_known_ones(summary: Summary) -> None:
    with pytest.raises(UserError, match="'html'; there are text, markdown, csv, json"):
        render(sheet(summary), "html")
