"""The tables and sentences of error rates, in every format."""

import csv
import io
import json
from typing import Any

from bench.benchmarks.error_rates import table
from bench.benchmarks.error_rates.kinds import EQUAL, FAILING_ARM, LOWER, SMALL, Kind
from bench.report.tables.export import texts
from bench.report.terminal import render
from bench.schema import OK, Row, Run

SHARED = {"margin": 1.0, "rate_margin": 0.1, "line": 0.1, "simulations": 2000, "seed": 0}


def made(kind: Kind, **shares: float) -> Row:
    """A row as `python -m bench error_rates` leaves it, every interval a hundredth to each side."""
    choices = {"task": "error_rates", **kind.choices, **SHARED}
    measures: dict[str, Any] = {}
    for name, share in shares.items():
        measures |= {name: share, f"{name}_low": share - 0.01, f"{name}_high": share + 0.01}
    return Row(Run("error_rates", choices).id, "error_rates", OK, choices, measures)


def test_a_table_has_a_line_per_kind_and_verdict_and_a_column_per_number_of_seeds() -> None:
    rows = [
        made(Kind(EQUAL, 1.2, 10), false_matters=0.02, found_equivalent=0.5),
        made(Kind(EQUAL, 1.2, 5), false_matters=0.04, found_equivalent=0.1),
        made(Kind(EQUAL, 0.6, 5, looks=(3, 5)), false_matters=0.03),
        made(Kind(EQUAL, 0.6, 40, size=SMALL), false_matters=0.01),
    ]
    (shown,) = table.tables(rows)
    header, *lines = texts(shown)
    assert header == ["sd", "verdict", "n = 5", "n = 5, looks at 3 and 5", "n = 10", "n = 40, 2 x 2"]
    assert lines == [
        ["0.6", "wrong: any block of equal arms matters", "-", "3.0 [2.0, 4.0]", "-", "1.0 [0.0, 2.0]"],
        ["1.2", "wrong: any block of equal arms matters", "4.0 [3.0, 5.0]", "-", "2.0 [1.0, 3.0]", "-"],
        ["1.2", "a pair of equal arms is equivalent", "10.0 [9.0, 11.0]", "-", "50.0 [49.0, 51.0]", "-"],
    ]


def test_a_share_of_wrong_verdicts_above_the_level_is_marked_and_named() -> None:
    rows = [
        made(Kind(EQUAL, 0.6, 3), false_matters=0.059, false_question=0.02),
        made(Kind(EQUAL, 0.6, 5), false_matters=0.061, false_question=0.02),
        made(Kind(LOWER, 0.6, 5, shift=3.0), found_different=0.5),
    ]
    cells = [cell for shown in table.tables(rows) for line in texts(shown) for cell in line]
    assert [cell for cell in cells if table.OFTEN in cell] == ["6.1 [5.1, 7.1] too often"]
    (often,) = [one for one in table.sentences(rows) if one.startswith("More often than in 5 %")]
    assert often == "More often than in 5 % of studies: sd 0.6, n = 5 (6.1 %: any block of equal arms matters)."


def test_the_sentences_name_the_worst_kind_and_the_seeds_that_are_enough() -> None:
    rows = [
        made(Kind(LOWER, 0.6, 5, shift=3.0), false_equivalent=0.0, found_different=0.3),
        made(Kind(LOWER, 0.6, 10, shift=3.0), false_equivalent=0.0, found_different=0.9),
        made(Kind(LOWER, 1.2, 10, shift=3.0), false_equivalent=0.0, found_different=0.7),
        made(Kind(FAILING_ARM, 0.6, 20, failing=0.1), false_question=0.03),
        made(Kind(FAILING_ARM, 0.6, 40, failing=0.1, size=SMALL), false_question=0.04),
    ]
    assert table.sentences(rows) == [
        "Any pair of unequal arms is equivalent in no study.",
        "The question has a wrong answer in at most 4.0 % of the studies of a kind "
        "(sd 0.6, 10 % of one arm failing, n = 40, 2 x 2).",
        "More often than in 5 % of studies: none.",
        "A pair of unequal arms is different in 80 % of cases or more from n = 10 on (sd 0.6, one arm lower by 3), "
        "at no n here (sd 1.2, one arm lower by 3).",
    ]


def test_every_format_has_the_same_numbers() -> None:
    rows = [made(Kind(EQUAL, 0.6, 3), false_matters=0.0123), made(Kind(LOWER, 0.6, 5, shift=1.0), found_different=0.25)]
    lines = list(csv.DictReader(io.StringIO(render(table.sheet(rows), "csv"))))
    said = json.loads(render(table.sheet(rows), "json"))
    assert [line["false_matters"] for line in lines] == ["0.0123", ""]
    assert [one["false_matters"] for one in said["table"]] == [0.0123, None]
    assert said["sentences"] == table.sentences(rows)
    for format in ("text", "markdown"):
        assert "1.2 [0.2, 2.2]" in render(table.sheet(rows), format)
        assert "2,000 simulated studies" in render(table.sheet(rows), format).replace("\n", " ")
