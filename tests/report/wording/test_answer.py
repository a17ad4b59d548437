from collections.abc import Callable

from bench.report import Summary, summarize
from bench.report.wording.answer import abstract, answer, margins, question
from bench.schema import Row

Make = Callable[..., Summary]
MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]
OTHER = [0.001, -0.0005, 0.0, -0.001, 0.0005]


def around(center: float, noise: list[float] = NOISE) -> list[float]:
    return [center + step for step in noise]


def test_the_answer_counts_the_blocks_and_names_where(arm: MakeArm, row: MakeRow) -> None:
    rows = [
        *arm("a", around(0.9), normalization="batch"),
        *arm("b", around(0.9, OTHER), normalization="batch"),
        *arm("a", around(0.9), normalization="none"),
        *arm("b", around(0.5, OTHER), normalization="none"),
        *arm("a", [0.90, 0.92, 0.91], normalization="layer"),
        *arm("b", [0.92, 0.89, 0.90], normalization="layer"),
        *arm("a", around(0.1), normalization="group"),
        *[row("b", seed, status="diverged", normalization="group") for seed in range(3)],
        *arm("a", around(0.9), normalization="weight"),
    ]
    assert answer(summarize(rows, 0.5)) == (
        "Of 5 blocks, the initializer matters in 1; does not matter in 1 (batch); is undecided in 1 (layer); "
        "cannot be judged (nothing trains) in 1 (group); has nothing to be compared with in 1 (weight). "
        "Runs diverged in 1 block: b 3. Where it matters, the highest mean is of a in 1 (none). "
        "Never diverged and not shown to be worse than the best, of 2 decided blocks: a in 2, b in 1."
    )


def test_the_answer_of_a_single_block_does_not_count_blocks(arm: MakeArm) -> None:
    rows = arm("a", around(0.9)) + arm("b", around(0.9, OTHER)) + arm("c", around(0.5, OTHER))
    assert answer(summarize(rows, 1.0)) == (
        "The initializer matters. Never diverged and not shown to be worse than the best: a, b."
    )


def test_an_answer_over_many_blocks_names_a_few_and_counts_the_rest(arm: MakeArm) -> None:
    rows = [run for epochs in range(1, 31) for name in "ab" for run in arm(name, around(0.9), epochs=epochs)]
    found = answer(summarize(rows, 0.5))
    assert "does not matter in 30 (epochs=1; epochs=2;" in found
    assert "; 24 more)" in found


def test_the_abstract_has_three_sentences_written_from_the_verdicts(study: Summary) -> None:
    setup, answer, rest = abstract(study)
    assert setup.startswith("We trained 16 networks on digits: 2 weight initializers in 2 blocks")
    assert setup.endswith("each with 4 seeds.")
    assert "he_normal is better in 1 (relu)" in answer
    assert "undecided in 1" in answer
    assert "matters in 1 and is undecided in 1; 1 run diverged (fixup 1)." in rest


def test_an_abstract_without_a_question_says_where_it_matters_and_what_keeps_up(
    study: Summary, make_study: Make
) -> None:
    _, answer, rest = abstract(make_study(study.rows, question=[]))
    assert answer == "Of 2 blocks with 2 initializers, the choice matters in 1 and is undecided in 1."
    assert rest.endswith("never shown to be worse than the leading one in 1 decided block: he_normal.")


def test_a_study_that_asks_nothing_has_no_answer_to_its_question(arm: MakeArm) -> None:
    assert question(summarize(arm("a", [0.9]), 0.3)) == ""


def test_margins_are_given_from_the_smallest_to_the_largest(arm: MakeArm) -> None:
    small = arm("a", [0.9], environment={"test_images": 400, "classes": 10}, activation="tanh")
    assert margins(summarize(small, 0.3)) == "1.5"
    assert margins(summarize([*small, *arm("a", [0.9])], 0.3)) == "0.30 to 1.5"
