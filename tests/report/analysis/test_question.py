import numpy as np

from bench.report import render, sheet, summarize
from bench.report.statistics import holm, paired_difference
from bench.report.wording.answer import question as answer


def close(low, count=5):
    return [low + 0.0001 * seed for seed in range(count)]


def test_the_question_is_a_family_of_one_test_per_block(arm):
    rows = []
    for model, gap in (("resnet20", 0.02), ("plain14", 0.0), ("plain20", -0.03)):
        noise = [0.001, -0.001, 0.002, -0.002, 0.0]
        rows += arm("xavier", [0.90 + gap + one for one in noise], model=model)
        rows += arm("he", close(0.90), model=model)
        rows += arm("third", close(0.5), model=model)  # another arm pays nothing into the family
    summary = summarize(rows, 0.3, ["xavier", "he"])
    question = summary.question
    blocks, pairs = zip(*((finding.name, pair) for finding, pair in question.pairs), strict=True)
    raw = [
        paired_difference(100 * pair_of(rows, m, "xavier"), 100 * pair_of(rows, m, "he"), resolution=0.01)
        for m in blocks
    ]
    assert [pair.difference_points for pair in pairs] == [one.value for one in raw]
    assert [pair.p_holm for pair in pairs] == list(holm([one.p for one in raw]))
    assert dict(zip(blocks, question.verdicts(), strict=True)) == {
        "resnet20": "different",
        "plain14": "equivalent",
        "plain20": "different",
    }
    assert answer(summary) == (
        "xavier or he? Of 3 blocks, xavier is better in 1 (resnet20); he is better in 1 (plain20); "
        "they are equivalent in 1 (plain14); undecided in none."
    )


def pair_of(rows, model, initializer):
    own = [row for row in rows if row.choices["model"] == model and row.choices["initializer"] == initializer]
    return np.array([row.measures["test_accuracy"] for row in sorted(own, key=lambda row: row.choices["seed"])])


def test_two_arms_at_chance_are_not_called_equivalent(arm):
    rows = [*arm("xavier", close(0.1)), *arm("he", close(0.1)), *arm("third", close(0.9))]
    summary = summarize(rows, 0.3, ["xavier", "he"])
    assert summary.question.verdicts() == ["neither trains"]
    assert "neither trains in 1" in answer(summary)


def test_a_block_where_one_arm_always_diverged_is_counted(arm, row):
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9))]
    rows += [*arm("xavier", close(0.9), model="plain14")]
    rows += [row("he", seed, status="diverged", model="plain14") for seed in range(5)]
    summary = summarize(rows, 0.3, ["xavier", "he"])
    assert answer(summary).startswith("xavier or he? Of 2 blocks")
    assert answer(summary).endswith("one of them has no mean in 1.")


def test_a_question_about_arms_that_are_not_there_is_not_asked(arm):
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9))]
    assert summarize(rows, 0.3, ["xavier", "orthogonal"]).question is None
    assert summarize(rows, 0.3).question is None


def test_every_format_tells_the_answer(arm):
    rows = [*arm("xavier", close(0.9)), *arm("he", close(0.9))]
    summary = summarize(rows, 0.3, ["he", "xavier"])
    for format in ("text", "markdown", "json"):
        assert "he or xavier? Of 1 block" in render(sheet(summary), format)
