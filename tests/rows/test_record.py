import json
import math

import pytest

from bench.rows.record import AnotherSchema, parse, text_of
from bench.schema import FAILED, OK, SCHEMA, Row, Run

CHOICES = {"task": "train", "initializer.scale": 2.0, "seed": 0}


def row(**fields):
    return Row(Run("study", CHOICES).id, "study", **{"status": OK, "choices": CHOICES} | fields)


@pytest.mark.parametrize("given", [str, str.encode])
def test_a_row_is_one_line_that_reads_back_as_the_same_row(given):
    one = row(measures={"a": 0.1 + 0.2, "b": 2**60}, curve=[{"epoch": 1, "loss": None}], environment={"é": ["σ"]})
    text = text_of(one)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert parse(given(text)) == one


def test_a_row_says_which_images_are_correct_only_where_it_knows():
    silent, saying = row(), row(correct="eJz7DwABAQEA")
    assert "correct" not in json.loads(text_of(silent))
    assert parse(text_of(silent)) == silent
    assert parse(text_of(saying)) == saying
    with pytest.raises(ValueError, match="correct: missing or of the wrong type"):
        parse(text_of(row(correct=5)))


def test_numbers_that_are_not_finite_become_null_at_any_depth():
    odd = row(measures={"a": math.nan}, curve=[{"loss": math.inf}], environment={"nested": {"list": [-math.inf, 1.0]}})
    read = parse(text_of(odd))
    assert (read.measures, read.curve) == ({"a": None}, [{"loss": None}])
    assert read.environment == {"nested": {"list": [None, 1.0]}}


def test_an_edited_digit_is_noticed():
    text = text_of(row(measures={"test_accuracy": 0.875}))
    with pytest.raises(ValueError, match="edited or damaged"):
        parse(text.replace("0.875", "0.975"))


def test_a_row_of_another_schema_is_told_from_a_damaged_one():
    with pytest.raises(AnotherSchema, match=f"schema {SCHEMA + 1}"):
        parse(json.dumps({"id": "x", "schema": SCHEMA + 1}))


def test_a_secret_in_an_error_is_not_written(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "a-long-secret")
    text = text_of(row(status=FAILED, error={"cause": "KeyError: a-long-secret", "attempts": 2}))
    assert "a-long-secret" not in text
    assert parse(text).error == {"cause": "KeyError: ***", "attempts": 2}
