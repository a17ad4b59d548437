import pytest

from bench.rows.redaction import redacted


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "hf_token", "SOME_SECRET", "DB_PASSWORD"])
def test_the_value_of_a_variable_named_as_a_secret_is_replaced(monkeypatch, name):
    monkeypatch.setenv(name, "abcdefgh")
    assert redacted("login abcdefgh failed for abcdefgh") == "login *** failed for ***"


def test_other_variables_and_short_values_stay(monkeypatch):
    monkeypatch.setenv("HOSTNAME_OF_ALL", "a-long-hostname")
    monkeypatch.setenv("SHORT_KEY", "seed")
    assert redacted("a-long-hostname has a seed") == "a-long-hostname has a seed"


def test_a_secret_that_contains_another_is_replaced_whole(monkeypatch):
    monkeypatch.setenv("ONE_KEY", "abcdefgh")
    monkeypatch.setenv("OTHER_KEY", "abcdefghijkl")
    assert redacted("abcdefghijkl") == "***"
