from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.report import Summary, summarize
from bench.report.analysis.answers import MARGIN, MIXED, answers, shown
from bench.report.analysis.pairs import NEITHER, UNDECIDED
from bench.report.analysis.rules import Margin, Rules
from bench.report.tables import several
from bench.report.wording.answer import (
    abstract,
    advice,
    answer,
    conclusion,
    leading,
    margin,
    matters,
    question,
    together,
    training,
    verdict_in_full,
)
from bench.report.wording.factor import phrase
from bench.schema import Row

Make = Callable[..., Summary]
MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]
OTHER = [0.001, -0.0005, 0.0, -0.001, 0.0005]
RATE = "a difference in training rate above 10 points is not excluded"


def around(center: float, noise: list[float] = NOISE) -> list[float]:
    return [center + step for step in noise]


def test_one_choice_explains_where_the_initializer_matters(arm: MakeArm, rules: Rules) -> None:
    rows = [
        run
        for model in ("plain14", "resnet20")
        for norm, other in (("batch", 0.9), ("none", 0.5))
        for name, center in (("a", 0.9), ("b", other))
        for run in arm(name, around(center, NOISE if name == "a" else OTHER), model=model, normalization=norm)
    ]
    found = summarize(rows, rules)
    assert matters(found) == (
        "With batch norm all are equal in accuracy in both blocks; without normalization the initializer matters in "
        f"both blocks; the margin is 1 point; {RATE}."
    )
    assert advice(found) == (
        "What to take: with batch norm any of the 2, for none is shown to be worse than another; without normalization "
        "a, shown to be worse than no other arm."
    )


def test_blocks_that_no_choice_explains_are_named(arm: MakeArm, rules: Rules) -> None:
    rows = [
        run
        for activation, other in (("relu", 0.9), ("tanh", 0.5))
        for name, center in (("a", 0.9), ("b", other))
        for run in arm(name, around(center, NOISE if name == "a" else OTHER), activation=activation)
    ]
    assert matters(summarize(rows, rules)).startswith(
        "All are equal in accuracy in 1 (relu), the initializer matters in 1 (tanh);"
    )


def test_the_answer_of_a_single_block_names_no_block(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.9)) + arm("b", around(0.9, OTHER)) + arm("c", around(0.5, OTHER))
    assert answer(summarize(rows, rules)) == (
        "The initializer matters. Where it matters, the leading set, than which no arm is shown to be better, is a and "
        "b. All 15 runs trained. What to take: a or b, shown to be worse than no other arm."
    )


def test_an_arm_that_never_trains_is_in_the_answer_and_loses(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    lost = [row("b", seed, status="diverged" if seed else "ok", accuracy=0.1) for seed in range(5)]
    found = summarize(arm("a", around(0.9)) + lost, replace(rules, question=("a", "b")))
    assert question(found) == "a or b? a trains more often."
    assert training(found) == "5 of 10 runs did not train, 4 of them diverged: b 5 of 5."
    assert leading(found).endswith("is a.")


def test_equal_accuracies_are_not_called_equivalent_while_the_rate_is_open(arm: MakeArm, rules: Rules) -> None:
    few = summarize(arm("a", around(0.9)) + arm("b", around(0.9, OTHER)), replace(rules, question=("a", "b")))
    assert question(few) == f"a or b? Equal in accuracy; the margin is 1 point; {RATE}."
    assert verdict_in_full(few.findings[0].pairs[0], few.rules) == f"equal in accuracy; {RATE}"
    many = [run for name in "ab" for run in arm(name, around(0.9, NOISE if name == "a" else OTHER) * 8)]
    assert question(summarize(many, replace(rules, question=("a", "b")))) == (
        "a or b? Equivalent; the margins are 1 point of accuracy and 10 points of training rate."
    )


def test_a_pair_that_never_trains_is_said_to(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", [0.1] * 5) + arm("b", [0.1] * 5) + arm("c", around(0.9))
    assert question(summarize(rows, replace(rules, question=("a", "b")))) == "a or b? Neither trains."


def test_an_arm_that_trains_more_often_and_is_less_accurate_is_not_better(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.8) * 4) + arm("b", around(0.9, OTHER) + [0.1] * 15)
    assert question(summarize(rows, replace(rules, question=("a", "b")))).startswith(
        "a or b? One trains more often, the other is more accurate"
    )


def test_between_looks_no_verdict_is_due_and_nothing_is_advised(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.9)) + arm("b", around(0.5, OTHER))
    found = summarize(rows, replace(rules, question=("a", "b"), looks=(10,)))
    assert question(found) == "a or b? No verdict is due at this number of seeds."
    assert "take" not in answer(found)
    assert "better" not in answer(found)


def test_an_answer_over_many_blocks_names_a_few_and_counts_the_rest(arm: MakeArm, rules: Rules) -> None:
    rows = [
        run
        for epochs in range(1, 31)
        for name in "ab"
        for run in arm(name, around(0.9 if name == "a" else 0.5), epochs=epochs)
    ]
    assert "a (epochs=4); 26 more." in leading(summarize(rows, rules))


def test_an_abstract_has_at_most_five_sentences(study: Summary) -> None:
    found = abstract(study)
    assert len(found) == 5
    assert all(sentence.endswith(".") and ". " not in sentence for sentence in found)
    assert found[0].startswith("We trained 24 networks on digits, 2 weight initializers in 2 blocks with 6 seeds each;")
    assert found[1] == "he_normal against fixup: he_normal is better in 1 (relu), undecided in 1 (tanh)."


def test_an_abstract_without_a_question_has_four(study: Summary, make_study: Make) -> None:
    found = abstract(make_study(study.rows, question=[]))
    assert len(found) == 4
    assert found[1] == "The initializer matters in 1 (relu), the effect of the initializer is undecided in 1 (tanh)."


def test_a_study_that_asks_nothing_has_no_answer_to_its_question(arm: MakeArm, rules: Rules) -> None:
    assert question(summarize(arm("a", [0.9]), rules)) == ""


def test_the_conclusion_counts_the_seeds_that_open_blocks_need(study: Summary) -> None:
    assert "Open is 1 block: to show that all arms are equal in accuracy" in conclusion(study)


def test_a_margin_is_told_as_declared(rules: Rules) -> None:
    assert margin(rules) == "1 point"
    assert margin(replace(rules, margin=Margin(points=0.5))) == "0.5 points"
    assert margin(replace(rules, margin=Margin(share=0.25))) == "25 % of the better arm's error"


def test_a_real_difference_within_the_margin_is_not_called_equal(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.9) * 2) + arm("b", [value - 0.007 for value in around(0.9, OTHER)] * 2)
    found = summarize(rows, replace(rules, question=("a", "b")))
    assert question(found).startswith("a or b? They differ within the margin; the margin is 1 point;")
    assert matters(found).startswith("All are within the margin in accuracy;")


def test_an_arm_without_an_ended_run_leaves_the_question_open_and_says_why(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    lost = [row("b", seed, status="failed") for seed in range(5)]
    found = summarize(arm("a", around(0.9)) + lost, replace(rules, question=("a", "b")))
    assert question(found) == "a or b? No block has ended runs of both."


def test_a_question_that_names_no_arm_or_several_says_which_there_are(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.9)) + [run for x in (1.0, 2.0) for run in arm("b", around(0.8), initializer__x=x)]
    assert question(summarize(rows, replace(rules, question=("a", "b")))) == (
        "a or b? b means 2 arms: b(x=1.0) and b(x=2.0); study.question takes one of them."
    )
    assert question(summarize(rows, replace(rules, question=("b(x=3)", "a")))) == (
        "b(x=3) or a? No arm is b(x=3); there are a, b(x=1.0) and b(x=2.0)."
    )
    assert question(summarize(rows, replace(rules, question=("a", "b(x=2)")))) == "a or b(x=2.0)? a is better."


def test_an_arm_that_is_shown_to_be_worse_within_the_margin_is_not_said_to_be_shown_no_worse(
    arm: MakeArm, rules: Rules
) -> None:
    rows = arm("a", around(0.9) * 2) + arm("b", [value - 0.007 for value in around(0.9, OTHER)] * 2)
    assert advice(summarize(rows, rules)) == (
        "What to take: any of the 2, for none is shown to be worse than another except within the margin."
    )


def test_nothing_is_advised_where_nothing_is_decided(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    few = arm("a", [0.9]) + arm("b", [0.8])
    assert advice(summarize(few, rules)) == "What to take: open, for no arm is shown to be worse than another."
    alone = arm("a", around(0.9)) + [row("b", seed, status="preempted") for seed in range(5)]
    assert advice(summarize(alone, rules)) == ""


def test_an_arm_that_is_taken_has_its_failures_beside_it(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    rows = arm("a", around(0.9) * 2) + arm("b", around(0.9, OTHER) + [0.9] + [0.1] * 4)
    rows += [row("c", seed, status="diverged") for seed in range(10)]
    assert advice(summarize(rows, rules)) == (
        "What to take: a or b (did not train: b 4 of 10), shown to be worse than no other arm."
    )


def test_the_advice_names_no_arm_that_the_question_shows_to_be_worse(arm: MakeArm, rules: Rules) -> None:
    """With six arms to a study the pair alone shows nothing; as a question, a family of its own, it does."""
    wide = [0.02, -0.02, 0.01, -0.01, 0.0, 0.005]
    rows = [run for name in "cdef" for run in arm(name, [0.8 + step for step in wide])]
    rows += arm("a", [0.818 + step for step in (0.003, -0.004, 0.005, -0.002, 0.001, -0.003)]) + arm("b", [0.812] * 6)
    found = summarize(rows, replace(rules, question=("a", "b"), margin=Margin(points=0.1)))
    assert question(found) == "a or b? a is better."
    assert found.findings[0].verdict == "undecided"
    assert matters(found) == (
        "The effect of the initializer is undecided; the question, a family of its own, finds a difference that all "
        "pairs together do not show."
    )
    assert advice(found) == "What to take: a, c, d, e or f, shown to be worse than no other arm."


def test_the_control_is_no_run_of_an_arm(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    lost = [row("again", seed, status="diverged", initializer__of="a") for seed in range(5)]
    found = summarize(arm("a", around(0.9)) + arm("b", [*around(0.9)[:4], 0.1]) + lost, rules)
    assert training(found) == "1 of 10 runs did not train: b 1 of 5."
    assert abstract(found)[0].startswith(
        "We trained 10 networks on digits, 2 weight initializers in 1 block with 5 seeds"
    )


def test_one_run_is_one_run(arm: MakeArm, rules: Rules) -> None:
    assert training(summarize(arm("a", [0.9]), rules)) == "The one run trained."


def test_the_margin_stands_beside_the_verdict_that_nothing_matters(arm: MakeArm, rules: Rules) -> None:
    rows = [run for name in "ab" for run in arm(name, around(0.9, NOISE if name == "a" else OTHER) * 8)]
    assert matters(summarize(rows, rules)) == (
        "The initializer does not matter; the margins are 1 point of accuracy and 10 points of training rate."
    )


def test_neither_of_two_arms_is_said_to_have_what_is_not_shown(arm: MakeArm, rules: Rules) -> None:
    """The more accurate arm fails in two of six, which no test shows, and the mean over all runs is lower for it."""
    rows = arm("a", [*around(0.8), 0.8]) + arm("b", [*around(0.83, OTHER), 0.1])
    assert question(summarize(rows, replace(rules, question=("a", "b")))) == (
        "a or b? b is more accurate, but has no higher mean over all runs."
    )


def test_a_block_of_equal_accuracies_is_open_for_its_training_rates_alone(arm: MakeArm, rules: Rules) -> None:
    found = summarize(arm("a", around(0.9)) + arm("b", around(0.9, OTHER)), rules)
    assert conclusion(found).endswith(
        "Open is 1 block: to exclude a difference in training rate of 10 points takes 29 seeds without a failure."
    )


def test_between_looks_nothing_is_called_open(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", around(0.9)) + arm("b", around(0.5, OTHER))
    assert "Open" not in conclusion(summarize(rows, replace(rules, looks=(10,))))


def test_many_arms_are_counted(arm: MakeArm, rules: Rules) -> None:
    rows = [run for at in range(9) for run in arm(f"w{at}", around(0.9, NOISE))] + arm("x", around(0.5, OTHER))
    assert "is w0, w1, w2, w3, w4, w5 and 3 more." in leading(summarize(rows, rules))


def test_blocks_without_a_verdict_are_not_counted_in(arm: MakeArm, rules: Rules) -> None:
    rows = [run for epochs in (1, 2, 3) for run in arm("a", around(0.9), epochs=epochs)]
    rows += [run for epochs in (1, 2) for run in arm("b", around(0.5, OTHER), epochs=epochs)]
    assert question(summarize(rows, replace(rules, question=("a", "b")))) == (
        "a or b? a is better in 2 blocks; one of them has no ended run in 1 block."
    )


def test_an_undecided_block_in_which_an_arm_never_trains_is_open_too(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    rows = [*arm("a", [0.9]), row("b", 0, status="diverged"), row("a", 0, status="diverged", activation="tanh")]
    rows += arm("b", [0.9], activation="tanh")
    assert advice(summarize(rows, rules)) == "What to take: open, for no arm is shown to be worse than another."


def test_a_normalization_with_a_name_of_its_own_is_not_called_a_norm():
    values = ("batch", "none", "scaled_weight_standardization")
    assert [phrase("normalization", value) for value in values] == [
        "with batch norm",
        "without normalization",
        "with scaled_weight_standardization",
    ]


def test_studies_that_ask_the_same_answer_it_together_by_what_tells_best(make_study: Any, arm: MakeArm) -> None:
    noise = [0.001 * (-1) ** seed for seed in range(12)]

    def study(name: str, question: list[str], model: str) -> Summary:
        rows = [
            row
            for normalization, low in (("batch", 0.9), ("none", 0.5))
            for initializer, level in (("he", 0.9), ("xavier", low))
            for row in arm(initializer, [level + one for one in noise], normalization=normalization, model=model)
        ]
        return make_study(rows, name=name, question=question, rate_margin=0.4)

    one, two = study("one", ["he", "xavier"], "resnet20"), study("two", ["he", "xavier"], "plain14")
    other = study("other", ["xavier", "he"], "resnet20")
    silent = study("silent", [], "resnet20")
    (joint,) = together(answers([one, two, other, silent]))
    assert joint == (
        "he or xavier? With batch norm within the margin of accuracy in all 3 blocks, the widest difference he +0.00 "
        "[-0.01, 0.01] points; without normalization he is better in all 3 blocks, the widest difference he +40.00 "
        "[39.99, 40.01] points."
    )
    assert together(answers([silent])) == []
    (lines,) = [table.lines for table in several.tables([one, two, silent]) if table.name == "answers"]
    assert [[cell.text for cell in line[1:7]] for line in lines] == [
        ["with batch norm", "2", "2", "-", "0", "0"],
        ["without normalization", "2", "0", "he in 2", "0", "0"],
    ]


def test_what_is_shown_of_a_pair_names_the_better_arm_or_why_there_is_none(make_study: Any, arm: MakeArm) -> None:
    def shown_of(*ours: float | None, theirs: list[float | None]) -> str:
        return shown(make_study([*arm("a", [*ours]), *arm("b", theirs)], question=["a", "b"]).question.pairs[0][1])

    high, low, lost = [0.9, 0.91] * 6, [0.5, 0.51] * 6, [0.1] * 12
    assert shown_of(*high, theirs=low) == "a"
    assert shown_of(*low, theirs=high) == "b"
    assert shown_of(*high, theirs=high) == MARGIN
    assert shown_of(*lost, theirs=lost) == NEITHER
    assert shown_of(*high[:3], theirs=low[:3]) == UNDECIDED
    assert shown_of(*low, theirs=[0.9, 0.91] * 3 + [0.1] * 6) == MIXED


def test_several_studies_say_side_by_side_what_they_are_and_what_to_take(make_study: Any, arm: MakeArm) -> None:
    noise = [0.001 * (-1) ** seed for seed in range(12)]
    rows = [
        row
        for normalization, low in (("batch", 0.9), ("none", 0.5))
        for initializer, level in (("a", 0.9), ("b", low), ("c", 0.9))
        for row in arm(initializer, [level + one for one in noise], normalization=normalization)
    ]
    one, two = (make_study(rows, name=name, question=["a", "b"], rate_margin=0.4) for name in ("one", "two"))
    found = {table.name: [[cell.text for cell in line] for line in table.lines] for table in several.tables([one, two])}
    assert [line[0] for line in found["studies"]] == ["one", "two"]
    assert found["studies"][0][2:7] == ["72", "0 %", "1 point, 40 points of rate", "2", "2"]
    assert found["leads"][:2] == [
        ["one", "with batch norm", "0.0", "0.0", "100", "3", "0"],
        ["one", "without normalization", "40.0", "40.0", "100", "3", "2"],
    ]
    assert found["recommended"][:2] == [
        ["one", "with batch norm", "a, b or c", "-", "-"],
        ["one", "without normalization", "a or c", "-", "b"],
    ]
