from bench.report.grid import grid

from bench.report import summarize


def test_the_grid_has_the_means_of_the_table(arm, row):
    rows = [*arm("he", [0.9, 0.92]), *arm("xavier", [0.8]), *arm("he", [0.7, 0.7, 0.7], model="plain14")]
    rows += [row("xavier", seed, status="diverged", model="plain14") for seed in range(2)]
    rows += [row("xavier", 1, status="diverged")]
    cells = grid(summarize(rows, 0.3), intervals=False)
    assert cells == [["block", "he", "xavier"], ["plain14", "70.00", "-*"], ["resnet20", "91.00", "80.00*"]]


def test_an_interval_stands_beside_its_mean_where_there_is_one(arm):
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8])], 0.3)
    line = summary.table.set_index("initializer").loc["he"]
    interval = f"[{100 * line.test_accuracy_low:.2f}, {100 * line.test_accuracy_high:.2f}]"
    assert grid(summary, intervals=True)[1] == ["all", f"91.00 {interval}", "80.00"]


def test_an_arm_that_a_block_lacks_is_a_dash(arm):
    summary = summarize([*arm("he", [0.9, 0.92]), *arm("xavier", [0.8, 0.9], model="plain14")], 0.3)
    assert [line[1:] for line in grid(summary, intervals=False)[1:]] == [["-", "85.00"], ["91.00", "-"]]
