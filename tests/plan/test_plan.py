import re

import pytest
from omegaconf import OmegaConf

from bench import catalogue
from bench.machine.settings import Study
from bench.plan.plan import plan
from bench.schema import Run, UserError


def test_a_plan_is_the_product_of_its_axes_and_the_last_one_turns_fastest(runs_of):
    runs = runs_of("initializer=he_normal,glorot_uniform", "seed=range(3)")
    assert [(run.choices["initializer"], run.choices["seed"]) for run in runs] == [
        (name, seed) for name in ("he_normal", "glorot_uniform") for seed in range(3)
    ]


def test_the_command_line_replaces_an_axis_of_the_study(runs_of):
    runs = runs_of("seed=7", axes={"seed": "range(3)", "activation": ["relu", "tanh"]})
    assert [(run.choices["seed"], run.choices["activation"]) for run in runs] == [(7, "relu"), (7, "tanh")]


def test_arguments_multiply_the_options_of_their_own_word(runs_of):
    runs = runs_of("initializer=variance_scaling,he_normal", "initializer.scale=0.5,1,2", "seed=0,1")
    assert len(runs) == 2 * 3 * 2
    assert {run.choices["initializer.scale"] for run in runs} == {0.5, 1.0, 2.0}


def test_an_argument_of_the_second_option_alone_is_reported_for_the_first(runs_of):
    with pytest.raises(
        UserError, match=r"no argument of initializer he_normal is named 'initializer\.slope'; give"
    ) as it:
        runs_of("initializer=he_normal,he_leaky", "initializer.slope=1,2")
    assert "he_leaky(slope=VALUE|VALUE)" in str(it.value)


@pytest.mark.parametrize(
    ("word", "other", "option", "argument", "values"),
    [
        ("initializer", "he_normal", "variance_scaling", "scale", ("0.5", "2")),
        ("model", "plain8", "resnet8", "width", ("4", "8")),
        ("optimizer", "sgd", "adam", "betas", ("[0.9,0.99]", "[0.8,0.99]")),
        ("dataset", "synthetic", "digits", "split_seed", ("0", "1")),
        ("activation", "relu", "leaky_relu", "negative_slope", ("0.1", "0.3")),
        ("schedule", "cosine", "step", "drops", ("[0.5]", "[0.25,0.5]")),
    ],
)
def test_an_argument_in_parentheses_is_that_of_its_option_alone(runs_of, word, other, option, argument, values):
    def ids(*words, **study):
        return [run.id for run in runs_of(*words, **study)]

    alone = [one for value in values for one in ids(f"{word}={option}", f"{word}.{argument}={value}")]
    expected = [*ids(f"{word}={other}"), *alone]
    written = f"{option}({argument}={'|'.join(values)})"
    assert ids(f"{word}={other},{written}") == expected
    assert ids(axes={word: f"{other},{written}"}) == ids(axes={word: [other, written]}) == expected


def test_an_argument_in_parentheses_wins_over_that_of_all_options(runs_of):
    runs = runs_of("initializer=he_normal,variance_scaling(scale=1|2)", "initializer.scale=3,4")
    assert [(run.choices["initializer"], run.choices["initializer.scale"]) for run in runs] == [
        ("he_normal", 3.0),
        ("he_normal", 4.0),
        ("variance_scaling", 1.0),
        ("variance_scaling", 2.0),
    ]
    declared = {"model": "resnet8", "model.width": 8}
    assert [run.choices["model.width"] for run in runs_of("model=resnet8(width=4)", axes=declared)] == [4]


def test_an_argument_of_all_options_that_each_has_in_parentheses_is_a_mistake(runs_of):
    with pytest.raises(UserError, match=r"model\.width has no effect: each model has it in parentheses"):
        runs_of("model=resnet8(width=4)", "model.width=8")
    with pytest.raises(UserError, match=r"model\.width has no effect"):
        runs_of("model.width=8", axes={"model": "resnet8(width=4)"})


def test_a_skip_list_may_name_an_option_with_an_argument(runs_of):
    skip = ({"initializer": "variance_scaling(scale=1|2)", "activation": "tanh", "because": "a test"},)
    runs = runs_of("initializer=variance_scaling(scale=1|2|3)", "activation=relu,tanh", skip=skip)
    assert [run.choices["initializer.scale"] for run in runs if run.choices["activation"] == "tanh"] == [3.0]
    assert len(runs) == 4


def test_an_alias_stands_for_its_option_so_that_ids_do_not_double(runs_of):
    def ids(*words, **study):
        return [run.id for run in runs_of(*words, **study)]

    ours = ids("initializer=he_normal,glorot_uniform", "activation=silu")
    assert ids("initializer=kaiming_normal,xavier_uniform_", "activation=swish") == ours
    assert ids(axes={"initializer": ["kaiming_normal", "xavier_uniform"], "activation": "swish"}) == ours
    skipped = {"initializer": "xavier_uniform", "because": "a test"}
    assert ids("initializer=kaiming_normal,xavier_uniform", "activation=silu", skip=(skipped,)) == ours[:1]
    by_role = "initializer=by_role"
    assert ids(by_role, "initializer.last=xavier_normal") == ids(by_role, "initializer.last=glorot_normal")
    with pytest.raises(UserError, match="asks for the same run twice: two values of an axis mean the same"):
        runs_of("initializer=he_normal,kaiming_normal")


def test_a_run_is_made_of_what_a_single_composition_says(runs_of, compose):
    run = runs_of("model=plain14,resnet20", "optimizer=adam,sgd", "optimizer.learning_rate=0.1,0.2", "epochs=3")[-1]
    config = compose(["model=resnet20", "optimizer=sgd", "optimizer.learning_rate=0.2", "epochs=3"])
    for word in ("model", "optimizer", "dataset", "initializer"):
        expected = {key: value for key, value in config[word].items() if key not in catalogue.ABOUT}
        assert run.choices[word] == config[word].name
        assert run.functions[word] == config[word].function
        assert run.arguments(word) == expected
    assert (run.choices["epochs"], run.choices["batch_size"]) == (3, config.batch_size)


def test_options_are_composed_once_however_many_runs_there_are(compose):
    calls = []

    def counted(overrides):
        calls.append(overrides)
        return compose(overrides)

    study = Study.read({**OmegaConf.to_container(compose([]).study), "axes": {}})
    runs = plan(
        counted, study, ["initializer=he_normal,orthogonal,he_uniform", "model=resnet8,plain8", "seed=range(500)"]
    )
    assert len(runs.runs) == 3000
    assert len(calls) == 1 + 2 + 1  # the first of all, then the other options


def test_a_whole_number_means_the_same_run_where_conf_has_a_fraction(runs_of):
    (one,), (other,) = runs_of("initializer.scale=2"), runs_of("initializer.scale=2.0")
    assert one.id == other.id


def test_a_gain_is_a_number_or_a_word_whatever_conf_has(runs_of):
    runs = runs_of("initializer=he_normal,mean_field", "initializer.gain=auto,critical,2,0.5")
    assert [run.choices["initializer.gain"] for run in runs] == ["auto", "critical", 2.0, 0.5] * 2
    assert all(type(run.choices["initializer.gain"]) in (str, float) for run in runs)
    with pytest.raises(UserError, match=r"initializer\.gain takes a number or auto or critical, not True"):
        runs_of("initializer=mean_field", "initializer.gain=true")


def test_a_label_dresses_the_paper_and_keeps_the_run(runs_of):
    (run,) = runs_of()
    assert not [key for key in run.choices if key.endswith((".law", ".source", ".function"))]
    assert Run("another study", run.choices, {}).id == run.id


def test_the_id_of_known_choices_never_changes():
    assert Run("any", {"initializer": "he_normal", "initializer.scale": 2.0, "seed": 0}).id == "dc116ce5d93ad57e"


def test_settings_are_no_part_of_a_run(runs_of):
    (run,) = runs_of()
    assert not {"results", "tracking", "device", "threads", "study"} & set(run.choices)


def test_a_study_skips_what_it_gives_a_reason_for(runs_of):
    skip = ({"model": "plain8", "activation": "tanh", "because": "the test says so"},)
    runs = runs_of("model=plain8,resnet8", "activation=relu,tanh", skip=skip)
    assert [(run.choices["model"], run.choices["activation"]) for run in runs] == [
        ("plain8", "relu"),
        ("resnet8", "relu"),
        ("resnet8", "tanh"),
    ]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["epoch=2"], "no key is named 'epoch'; did you mean epochs"),
        (["initializer.scal=2"], "did you mean initializer.scale"),
        (["epochs=abc"], "epochs takes a whole number, not 'abc'"),
        (["epochs=1.5"], "epochs takes a whole number, not 1.5"),
        (["seed=null"], "seed takes a whole number of at least 0, not None"),
        (["initializer.gain=automatic"], "initializer.gain takes a number or auto or critical, not 'automatic'"),
        (["initializer.scale=auto"], "initializer.scale takes a number, not 'auto'"),
        (["initializer.scale=big"], "initializer.scale takes a number, not 'big'"),
        (["dataset.flip=1"], "dataset.flip takes true or false, not 1"),
        (["initializer="], "initializer has no value"),
        (["seed="], "seed has no value"),
        (["seed=range(0)"], "seed has no value"),
        (["seed=0,1,0"], "seed is given the value 0 twice"),
        (["seed=0", "seed=1"], "seed is given twice"),
        (["initializer=he_normal,he_normal"], "initializer is given the value 'he_normal' twice"),
        (["initializer.scale=2,2.0"], "asks for the same run twice|is given the value"),
        (["+more=1"], "a run has fixed keys; write more=VALUE"),
        (["~seed"], "a run has fixed keys"),
        (["seed=interval(0,1)"], "list the values"),
        (["initializer=variance_scaling(scal=1)"], "did you mean initializer.scale"),
        (["initializer=he_normal,variance_scaling(scale=big)"], "initializer.scale takes a number, not 'big'"),
        (["initializer=variance_scaling(scale=1|1.0)"], "asks for the same run twice"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(runs_of, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        runs_of(*overrides)


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("variance_scaling(scal=2)", "did you mean initializer.scale"),
        ("variance_scaling(scale=big)", "initializer.scale takes a number, not 'big'"),
        ("variance_scaling(scale=2", "an option with arguments is written"),
        ("variance_scaling(scale=1|2)", "study.question takes two arms, and variance_scaling.* is 2"),
    ],
)
def test_a_mistake_in_an_arm_of_the_question_is_found_before_anything_is_trained(runs_of, arm, sentence):
    assert len(runs_of(question=["he_normal", "variance_scaling(scale=2)"])) == 1
    with pytest.raises(UserError, match=sentence):
        runs_of(question=["he_normal", arm])


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"initializer": "he_norml"}, "study.skip: no initializer is named 'he_norml'; did you mean he_normal"),
        ({"model": "plain8", "activation": "rleu"}, "no activation is named 'rleu'; did you mean"),
        ({"initializer": ["he_normal", "lsuv"]}, "initializer takes a name, not ['he_normal', 'lsuv']"),
        ({"model": "plain8", "epochs": "2x"}, "study.skip: epochs takes a whole number, not '2x'"),
        ({"model.width": 2.5}, "study.skip: model.width takes a whole number, not 2.5"),
        ({"seed": "one"}, "study.skip: seed takes a whole number"),
        ({"results": "here"}, "study.skip: no key is named 'results'"),
        ({"study.line": 0.1}, "study.skip: no key is named 'study.line'"),
    ],
)
def test_a_value_that_no_run_can_have_is_not_skipped_in_silence(runs_of, entry, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        runs_of("model=plain8,resnet8", skip=(entry | {"because": "the test says so"},))


def test_a_value_that_this_study_does_not_have_may_be_skipped_and_is_named(plan_of):
    entries = ({"initializer": "lsuv"}, {"epochs": 3}, {"order_seed": None}, {"initializer.slope": 0.1})
    skip = tuple(entry | {"because": "why not"} for entry in entries)
    skip += ({"seed": 1, "because": "this one it has"},)
    found = plan_of("seed=0,1", "order_seed=1,2", skip=skip)
    assert len(found.runs) == 2
    assert [remark.rpartition(" has ")[2] for remark in found.remarks] == [
        *("initializer=lsuv", "epochs=3", "order_seed=None", "initializer.slope=0.1")
    ]


def test_a_key_of_another_task_is_named_as_such(runs_of):
    with pytest.raises(
        UserError, match=r"no key of task signal is named 'steps'.* Known: batch_size, intended_rate, seed"
    ):
        runs_of("task=signal", "steps=3")


def test_a_study_that_skips_everything_is_a_mistake(runs_of):
    with pytest.raises(UserError, match="has no runs: 1 combinations, all of them skipped"):
        runs_of(skip=({"activation": "relu", "because": "nothing is left"},))
