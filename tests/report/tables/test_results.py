from collections.abc import Callable

from bench.report import Summary, summarize
from bench.report.tables.export import texts
from bench.report.tables.results import glance as glance_of_paper
from bench.report.tables.results import question, results
from bench.report.tables.summary import glance
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_the_glance_has_the_means_of_the_findings(arm: MakeArm, row: MakeRow) -> None:
    rows = [*arm("he", [0.9, 0.92]), *arm("xavier", [0.8]), *arm("he", [0.7, 0.7, 0.7], model="plain14")]
    rows += [row("xavier", seed, status="diverged", model="plain14") for seed in range(2)]
    rows += [row("xavier", 1, status="diverged")]
    table = glance(summarize(rows, 0.3), intervals=False)
    assert texts(table) == [["block", "he", "xavier"], ["plain14", "70.00", "-*"], ["resnet20", "91.00", "80.00*"]]
    assert [cell.value for cell in table.lines[1][1:]] == [0.91, 0.8]


def test_an_interval_stands_beside_its_mean_where_there_is_one(arm: MakeArm) -> None:
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8])], 0.3)
    he = summary.findings[0].arms[0].test_accuracy
    assert he is not None
    interval = f"[{100 * (he.low or 0):.2f}, {100 * (he.high or 0):.2f}]"
    assert texts(glance(summary, intervals=True))[1] == ["all", f"91.00 {interval}", "80.00"]
    assert texts(glance_of_paper(summary))[1][3:] == [f"91.00 {interval}", "80.00"]


def test_an_arm_that_a_block_lacks_is_a_dash(arm: MakeArm) -> None:
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8, 0.9], model="plain14")], 0.3)
    assert [line[1:] for line in texts(glance(summary, intervals=False))[1:]] == [["-", "85.00"], ["91.00", "-"]]


def test_a_line_of_the_results_is_an_arm_with_its_runs_and_the_decision_against_the_leader(study: Summary) -> None:
    header, *lines = texts(results(study))
    fixup = dict(zip(header, lines[1], strict=True))
    assert (fixup["activation"], fixup["initializer"], fixup["converged"]) == ("relu", "fixup", "3 of 4")
    assert fixup["from the leader"].startswith("-50.00 [")
    assert (fixup["decision"], lines[0][-1]) == ("different", "leads")
    assert results(study).lines[1][5].runs == study.findings[0].ids("fixup")


def test_the_question_has_a_line_per_block_and_none_where_nothing_was_asked(study: Summary, arm: MakeArm) -> None:
    table = question(study)
    assert table is not None
    assert [line[-1].text for line in table.lines] == ["different", "undecided"]
    assert question(summarize(arm("a", [0.9]), 0.3)) is None
