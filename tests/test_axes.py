"""Axes in Hydra's override grammar, and the arguments of one option of a word."""

import pytest

from bench.axes import Option, parse
from bench.schema import UserError


def test_an_option_in_parentheses_has_values_of_its_own_arguments():
    (found,) = parse(["initializer=he_normal,variance_scaling(scale=0.5|1|2)"]).values()
    scales = [{"initializer.scale": scale} for scale in (0.5, 1, 2)]
    assert found == [Option("he_normal"), *(Option("variance_scaling", scale) for scale in scales)]


def test_several_arguments_in_parentheses_are_a_product_whose_last_one_turns_fastest():
    (found,) = parse(["initializer=variance_scaling( mode = fan_in | fan_out, scale = 1 | 2 )"]).values()
    assert [tuple(one.arguments.values()) for one in found] == [
        ("fan_in", 1),
        ("fan_in", 2),
        ("fan_out", 1),
        ("fan_out", 2),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("null|0", [None, 0]),
        ("true|false", [True, False]),
        ("[0.9,0.99]|[0.8,0.99]", [[0.9, 0.99], [0.8, 0.99]]),
        ("auto|-1e-3", ["auto", -1e-3]),
        ('"a|b"', ["a|b"]),
        ("xavier_normal|zeros", ["glorot_normal", "zeros"]),
    ],
)
def test_a_value_in_parentheses_is_what_it_is_outside(values, expected):
    (found,) = parse([f"initializer=by_role(last={values})"]).values()
    assert [one.arguments["initializer.last"] for one in found] == expected


def test_an_option_with_arguments_may_be_quoted_and_may_have_an_alias():
    assert parse(['initializer="kaiming_normal(gain=1)"']) == parse(["initializer=he_normal(gain=1)"])


def test_functions_of_hydra_stay_functions():
    assert parse(["seed=range(2)", "model=choice(a,b)"]) == {"seed": [0, 1], "model": [Option("a"), Option("b")]}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("he_normal,he_leaky(slope=1", r"cannot read 'initializer=he_normal,he_leaky\(slope=1'; an option with"),
        ("he_leaky slope=1)", "an option with arguments is written NAME"),
        ("he_leaky(slope=1))", "an option with arguments is written NAME"),
        ("he_leaky(slope=1|)", "an option with arguments is written NAME"),
        ("he_leaky(slope=)", "an option with arguments is written NAME"),
        ("(slope=1)", "an option with arguments is written NAME"),
        ("he_leaky()", r"he_leaky\(\.\.\.\) has no ARGUMENT=VALUE in its parentheses; write he_leaky, or NAME"),
        ("he_leaky(1)", "has no ARGUMENT=VALUE in its parentheses"),
        ("he_leaky(1,slope=1)", "has no ARGUMENT=VALUE in its parentheses"),
        ("he_leaky(slope=1,slope=2)", r"has slope twice; write he_leaky\(slope=VALUE\|VALUE\)"),
        ("he_leaky(slope=range(3))", r"initializer\.slope takes no function in parentheses"),
        ("[he_leaky(slope=1)]", "initializer takes a name, not "),
        (f"x({','.join(f'a{n}=' + '|'.join('0123456789') for n in range(9))})", "more than 1,000,000 combinations"),
    ],
)
def test_parentheses_that_cannot_be_read_are_refused_in_a_sentence(value, sentence):
    with pytest.raises(UserError, match=sentence):
        parse([f"initializer={value}"])


def test_a_task_takes_its_arguments_as_keys():
    with pytest.raises(UserError, match="keys of their own: write task=train epochs=VALUE"):
        parse(["task=train(epochs=1|2)"])
