from collections.abc import Callable

from bench.report import Summary, summarize
from bench.report.analysis.rules import Rules
from bench.report.tables.export import texts
from bench.report.tables.overall import power
from bench.report.tables.results import blocks, question, results, runs
from bench.report.tables.results import glance as glance_of_paper
from bench.report.tables.summary import glance
from bench.report.wording.block import sentence
from bench.rows.unfit import UnfitArm
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_the_glance_has_the_means_of_trained_runs_and_says_how_many_trained(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    rows = [*arm("he", [0.9, 0.92]), *arm("xavier", [0.8]), *arm("he", [0.7, 0.7, 0.7], model="plain14")]
    rows += [row("xavier", seed, status="diverged", model="plain14") for seed in range(2)]
    rows += [row("xavier", 1, 0.1)]
    table = glance(summarize(rows, rules), intervals=False)
    assert texts(table) == [
        ["block", "he", "xavier"],
        ["plain14", "70.00", "(0 of 2)"],
        ["resnet20", "91.00", "80.00 (1 of 2)"],
    ]
    assert [cell.value for cell in table.lines[1][1:]] == [0.91, 0.8]


def test_an_interval_stands_beside_its_mean_where_there_is_one(arm: MakeArm, rules: Rules) -> None:
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8])], rules)
    he = summary.findings[0].arms[0].accuracy
    assert he is not None
    interval = f"[{100 * (he.low or 0):.2f}, {100 * (he.high or 0):.2f}]"
    assert texts(glance(summary, intervals=True))[1] == ["all", f"91.00 {interval}", "80.00"]
    assert texts(glance_of_paper(summary))[1][3:] == [f"91.00 {interval}", "80.00"]


def test_an_arm_that_a_block_lacks_is_a_dash(arm: MakeArm, rules: Rules) -> None:
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8, 0.9], model="plain14")], rules)
    assert [line[1:] for line in texts(glance(summary, intervals=False))[1:]] == [["-", "85.00"], ["91.00", "-"]]


def test_an_arm_that_does_not_fit_a_block_says_so_in_its_cell_and_its_sentence(
    arm: MakeArm, row: MakeRow, rules: Rules
) -> None:
    rows = [*arm("he", [0.9, 0.92]), *arm("fixup", [0.8, 0.9]), *arm("he", [0.7, 0.8], model="plain14")]
    unfit = UnfitArm("fixup does not fit plain14", "it has no branches", row("fixup", model="plain14").choices, ("7",))
    summary = summarize(rows, rules, unfit=[unfit])
    assert [line[1:] for line in texts(glance(summary, intervals=False))[1:]] == [
        ["unfit", "75.00"],
        ["85.00", "91.00"],
    ]
    plain, other = map(sentence, summary.findings)
    assert plain.startswith("fixup does not fit: it has no branches. he falls into")
    assert "does not fit" not in other


def test_a_line_of_the_results_is_an_arm_with_both_endpoints_and_the_verdict(study: Summary) -> None:
    header, *lines = texts(results(study))
    fixup = dict(zip(header, lines[1], strict=True))
    assert (fixup["activation"], fixup["initializer"], fixup["trained"]) == ("relu", "fixup", "5 of 6")
    assert fixup["training rate %"].startswith("83 [")
    assert (fixup["accuracy %"].split()[0], fixup["all runs %"]) == (
        "41.00",
        "35.83",
    )  # (40 + 42 + 41 + 40 + 42 + 10) / 6
    assert fixup["from the leader"].startswith("-49.80 [")
    assert (fixup["verdict"], lines[0][-1]) == ("different", "leads")
    assert results(study).lines[1][5].runs == study.findings[0].ids("fixup")


def test_a_block_names_its_leading_set(study: Summary) -> None:
    assert [line[-2:] for line in texts(blocks(study))[1:]] == [
        ["matters", "he_normal"],
        ["undecided", "fixup, he_normal"],
    ]


def test_the_question_has_a_line_per_block_and_none_where_nothing_was_asked(
    study: Summary, arm: MakeArm, rules: Rules
) -> None:
    table = question(study)
    assert table is not None
    assert [line[-1].text for line in table.lines] == ["different", "undecided"]
    assert [line[3].text for line in table.lines] == ["6 of 6 / 5 of 6", "6 of 6 / 6 of 6"]
    assert question(summarize(arm("a", [0.9]), rules)) is None


def test_the_interval_of_equivalence_lies_within_that_of_the_difference(study: Summary) -> None:
    (_, pair), *_ = study.question.pairs if study.question else ()
    found = pair.accuracy
    assert None not in (found.low, found.close_low, found.close_high, found.high)
    assert found.low < found.close_low < found.close_high < found.high  # type: ignore[operator]


def test_every_run_has_its_outcome(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    rows = [row("a"), row("a", 1, 0.1), row("a", 2, status="diverged"), row("a", 3, status="failed")]
    table = runs(summarize(rows, rules))
    place = table.header.index("outcome")
    assert [line[place].text for line in table.lines] == ["trained", "stalled", "diverged", "failed"]


def test_the_seeds_for_all_pairs_are_as_many_as_for_one_or_more(study: Summary) -> None:
    for line in power(study).lines:
        one = [cell.value for cell in line[-6::2]]
        every = [cell.value for cell in line[-5::2]]
        assert all(few <= many for few, many in zip(one, every, strict=True))  # type: ignore[operator]
