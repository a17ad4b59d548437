"""The house is in order: names, yamls, functions and defaults agree, whatever is added."""

import inspect
import re
from pathlib import Path

import pytest
import torch

from bench import catalogue, registry
from bench.schema import WORDS, Run

HOME = Path(catalogue.__file__).parents[1]
OPTIONS = [(word, name, option) for word in WORDS for name, option in catalogue.options(word).items()]
IDS = [f"{word}={name}" for word, name, _ in OPTIONS]


@pytest.mark.parametrize(("word", "name", "option"), OPTIONS, ids=IDS)
def test_an_option_says_what_it_is_and_fits_its_function(word, name, option):
    assert option["name"] == name
    assert option["law"]
    assert option["source"]
    assert callable(built(word, name, option))


def built(word, name, option):
    prefix = "" if word == "task" else f"{word}."
    arguments = {f"{prefix}{key}": value for key, value in catalogue.arguments(option).items()}
    return registry.build(Run("layout", {word: name, **arguments}, {word: option["function"]}), word)


@pytest.mark.parametrize("word", WORDS)
def test_no_function_is_without_a_yaml(word):
    named = {option["function"] for option in catalogue.options(word).values()}
    registry.find(word, next(iter(named)))
    ours = {name for name, function in registry.functions(word).items() if function.__module__.startswith("bench.")}
    assert ours == named


@pytest.mark.parametrize("word", WORDS)
def test_defaults_live_in_conf_alone(word):
    registry.find(word, next(iter(catalogue.options(word).values()))["function"])
    for name, function in registry.functions(word).items():
        parameters = inspect.signature(function).parameters.values()
        assert all(one.default is one.empty for one in parameters), f"{word} {name} hides a default"


def test_every_function_of_the_house_has_a_docstring():
    for word in WORDS:
        for name, function in registry.functions(word).items():
            assert function.__doc__, f"{word} {name}"


@pytest.mark.parametrize("name", sorted(catalogue.options("study")))
def test_a_study_opens_with_its_command_and_skips_with_a_reason(name):
    study = catalogue.options("study")[name]
    first = (catalogue.CONF / "study" / f"{name}.yaml").read_text().partition("\n")[0]
    assert first.startswith("# python -m bench ")
    assert study["name"] == name
    assert all(entry["because"] for entry in study.get("skip", []))


def test_each_activation_is_a_new_module_at_each_call():
    for name, option in catalogue.options("activation").items():
        make = built("activation", name, option)
        one, other = make(), make()
        assert one is not other
        assert one(torch.linspace(-2, 2, 5)).shape == (5,)


def test_a_module_opens_with_its_room():
    for file in [*HOME.glob("bench/**/*.py"), *HOME.glob("hydra_plugins/*.py")]:
        text = file.read_text(encoding="utf-8")
        if file.name != "__init__.py":
            assert re.match(r'""".+?\n\nIn: .+Out: .+Touches: ', text, re.DOTALL), f"{file} does not say its room"


def test_tests_mirror_the_house():
    for file in HOME.glob("tests/**/test_*.py"):
        room = file.parent.relative_to(HOME / "tests")
        assert (HOME / "bench" / room).is_dir(), f"{file} mirrors nothing"
