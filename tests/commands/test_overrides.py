"""The words of a command line, as Hydra takes them."""

import pytest

from bench.axes import parse
from bench.commands.overrides import for_hydra
from bench.schema import UserError


def test_words_about_choices_travel_as_one_list():
    words = for_hydra("sweep", ["initializer=a,b", "results=r", "seed=range(2)", "study=own"])
    assert words[:3] == ["--multirun", "results=r", "study=own"]
    (listed,) = parse([words[3]]).values()
    assert listed == [["initializer=a,b", "seed=range(2)"]]


def test_keys_of_a_planned_command_are_no_choices():
    assert for_hydra("verify", ["mixed=true", "epochs=2"]) == ["--multirun", "mixed=true", 'overrides=["epochs=2"]']


def test_words_without_a_key_become_the_value_of_the_key_of_the_command():
    assert for_hydra("merge", ["a", "study=own", "b"]) == ["study=own", 'folders=["a", "b"]']
    assert for_hydra("list", ["model"]) == ['kind="model"']
    assert for_hydra("why", ["0a"]) == ["--multirun", 'runs=["0a"]', "overrides=[]"]


@pytest.mark.parametrize("word", ["overrides=[x]", "job=x", "studies=[a]"])
def test_a_key_that_only_the_commands_use_is_unknown(word):
    with pytest.raises(UserError, match=f"no key is named '{word.partition('=')[0]}'"):
        for_hydra("sweep", [word])


def test_retry_may_be_written_as_a_flag():
    assert for_hydra("status", ["--retry", "failed"]) == for_hydra("status", ["--retry=failed"]) == ["retry=failed"]


def test_a_condition_of_a_report_may_name_an_alias():
    words = for_hydra("report", ["study=own", "where.initializer=kaiming_normal,zeros", "where.seed=3"])
    assert 'where=["initializer=he_normal,zeros", "seed=3"]' in words


@pytest.mark.parametrize("arm", ["variance_scaling(scale=2)", '"variance_scaling(scale=2)"'])
def test_an_arm_of_a_question_needs_no_quotes(arm):
    words = for_hydra("report", ["study=own", f"study.question=[he_normal,{arm}]"])
    assert words == ["study=own", 'study.question=[he_normal,"variance_scaling(scale=2)"]']


def test_an_arm_of_a_question_closes_its_parentheses():
    with pytest.raises(UserError, match=r"an arm with arguments is written NAME\(ARGUMENT=VALUE"):
        for_hydra("report", ["study=own", "study.question=[he_normal,variance_scaling(scale=2]"])
