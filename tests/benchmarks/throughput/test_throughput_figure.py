import re

from bench.benchmarks.throughput.figure import figures as throughput
from bench.benchmarks.throughput.table import frame
from bench.schema import OK, Row, Run


def speed_row(**times: list[float]) -> Row:
    choices = {"task": "throughput", "law": "normal", "target": "9x9", "device": "cpu", "threads": 2, "blocks": 4}
    seconds = {
        "initbench": [0.001, 0.002, 0.0012, 0.0011],
        "torch.nn.init": [0.002, 0.0042, 0.0024, 0.0021],
        "timm": [0.004] * 4,
        "generator": [0.001] * 4,
        "memory": [0.0001] * 4,
    } | times
    curve = [{"block": block, **{name: each[block] for name, each in seconds.items()}} for block in range(4)]
    return Row(Run("throughput", choices).id, "throughput", OK, choices, {"elements": 81}, curve)


def test_the_speeds_are_those_of_the_throughput_table() -> None:
    rows = [speed_row()]
    (figure,) = throughput(rows)
    tips = re.findall("<title>(.*?)</title>", figure.svg)
    ours = frame(rows).set_index("library").loc["initbench"]
    shown = f"{ours['ratio']:.2f} [{ours['ratio_low']:.2f}, {ours['ratio_high']:.2f}]"
    assert f"initbench, normal, 9x9: {shown}, n = 4" in tips
    assert {tip.split(",")[0] for tip in tips} == {"initbench", "timm", "generator", "memory"}


def test_a_users_style_changes_nothing_and_no_ratio_is_no_figure() -> None:
    assert throughput([speed_row()]) == throughput([speed_row()])
    assert throughput([]) == []
