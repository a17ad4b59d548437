"""`list` as a user types it."""

import json

import pytest

from bench import __main__ as door
from bench import catalogue
from bench.commands.list import KINDS
from bench.parts.arguments import FANS


@pytest.fixture
def say(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")

    def say(*words, code=0):
        assert door.main(["list", *words]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return say


def test_a_kind_may_stand_without_its_key(say):
    assert say("initializer") == say("kind=initializer")
    assert say("initializer", "format=json") == say("format=json", "kind=initializer")


def test_several_kinds_are_a_mistake_in_a_sentence(say):
    assert say("initializer", "model", code=2) == "bench: list takes one kind, not 2: initializer, model\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_listed_with_law_source_and_arguments_within_the_terminal(say, kind):
    text, listed = say(kind), json.loads(say(kind, "format=json"))[kind]
    words = " ".join(text.split())
    assert [one["name"] for one in listed] == list(catalogue.options(kind))
    for one in listed:
        assert f" {one['name']} {' '.join(one['law'].split())} source: {' '.join(one['source'].split())}" in words
    assert all(len(line) <= 100 for line in text.splitlines())
    if kind == "optimizer":
        assert "optimizer.learning_rate=0.05 optimizer.momentum=0.9" in words


def test_without_a_kind_all_names_are_listed_and_how_to_see_more(say):
    text = say()
    words = " ".join(text.split())
    assert all(", ".join(catalogue.options(kind)) in words for kind in KINDS)
    assert "python -m bench list KIND" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_an_initializer_says_how_it_counts_fans_and_its_other_names(say):
    words = " ".join(say("initializer").split())
    assert (
        " keras_he_normal truncated N(0, σ²) on ±2σ, Var w = 2/n_in exactly source: Keras HeNormal, jax he_normal "
        in words
    )
    assert "jax he_normal fans: keras initializer.scale=1.0" in words
    assert "aliases: kaiming_normal, kaiming_normal_ fans: exact" in words
    for name, how in FANS.items():
        assert f"{name}: {how}" in words
