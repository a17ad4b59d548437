"""What is measured of which library: laws, turns, rows. No speed is asserted anywhere."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest
import torch
from scipy import stats

from bench.benchmarks.settings import ThroughputSettings
from bench.benchmarks.throughput import target
from bench.benchmarks.throughput.libraries import LAWS, LIBRARIES, PEERS, UNIFORM, installed
from bench.benchmarks.throughput.measure import Case, Measurement, cases_of, measure, measurements
from bench.rows.record import parse, text_of
from bench.schema import UserError

SETTINGS = {
    **{"law": ["normal", "he_normal"], "shape": ["16x16x3x3"], "network": ["resnet8"], "blocks": 3, "seconds": 1e-3},
    "quick": False,
}
SHAPE = "40x64x3x3"  # n_in = 576, n_out = 360
VARIANCE = {
    **{"normal": 1, "uniform": 1 / 12, "truncated_normal": stats.truncnorm(-2, 2).var()},
    **{"he_normal": 2 / 576, "glorot_uniform": 2 / (576 + 360), "lecun_normal": 1 / 576, "orthogonal": 1 / 576},
}
TORCHS = ["initbench", "torch.nn.init", "timm"]


@pytest.fixture
def read(configuration):
    """The settings of a small measurement, with changes."""
    return lambda **changes: ThroughputSettings.read(configuration | SETTINGS | changes)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("library", TORCHS)
def test_a_library_that_fills_in_place_fills_by_the_law_of_that_name(library, law):
    if library in PEERS:
        pytest.importorskip(PEERS[library])
    tensor = target.tensor(SHAPE, "cpu")
    fill = LIBRARIES[library](law, tensor)
    if fill is None:
        pytest.skip(f"{library} has no {law}")
    torch.manual_seed(0)
    fill()
    (weight,) = tensor.weights
    assert float(weight.var()) == pytest.approx(VARIANCE[law], rel=0.03)
    if law == "truncated_normal":
        assert weight.abs().max() <= 2
    first = weight.clone()
    fill()
    assert not torch.equal(weight, first)  # each call draws anew


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("library", ["keras", "jax"])
def test_a_library_that_makes_new_arrays_makes_them_by_the_law_of_that_name(library, law, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))  # its own choice may not be there
    pytest.importorskip(library)
    drawn = []
    monkeypatch.setattr(
        "bench.benchmarks.throughput.libraries._awaited", lambda draw, argument: drawn.append(draw(argument))
    )
    fill = LIBRARIES[library](law, target.tensor(SHAPE, "cpu"))
    fill()
    fill()
    first, second = (torch.tensor(array.tolist()) for array in drawn)
    assert first.shape == (3, 3, 64, 40)
    assert float(first.var()) == pytest.approx(VARIANCE[law], rel=0.03)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("library", ["initbench", "torch.nn.init"])
def test_a_whole_model_is_filled_and_its_norms_restarted(library):
    net = target.network("resnet8", "cpu")
    with torch.no_grad():
        for parameter in net.model.parameters():
            parameter.fill_(math.nan)
    LIBRARIES[library]("he_normal", net)()
    assert all(torch.isfinite(parameter).all() for parameter in net.model.parameters())
    assert net.elements == sum(one.numel() for one in net.model.parameters() if one.dim() > 1)


def test_the_limits_draw_as_many_numbers_as_the_law_and_from_the_same_generator():
    net = target.network("resnet8", "cpu")
    for law in LAWS:
        LIBRARIES["generator"](law, net)()
        assert len(net.flat) == net.elements
        assert bool(net.flat.min() < 0) is (law not in UNIFORM)
    LIBRARIES["memory"]("normal", net)()
    assert not net.flat.any()


def test_blocks_take_turns_and_no_library_keeps_its_place_or_its_neighbour():
    case = Case("normal", target.tensor("2x2", "cpu"), dict.fromkeys("abcd"))
    turns = list(measurements(case, 200))
    assert [one.block for one in turns] == [block for block in range(200) for _ in "abcd"]
    blocks = [[one.library for one in turns[start : start + 4]] for start in range(0, 800, 4)]
    assert all(sorted(block) == [*"abcd"] for block in blocks)
    places = Counter(block.index("a") for block in blocks)
    followed = Counter(pair for block in blocks for pair in pairwise(block))
    assert len(places) == 4
    assert min(places.values()) > 25  # 50 are expected, and 6 their standard deviation
    assert len(followed) == 12
    assert min(followed.values()) > 25
    assert turns == list(measurements(case, 200))  # another run takes the same turns


def test_a_case_leaves_one_row_that_the_store_believes(tmp_path, monkeypatch, read):
    monkeypatch.chdir(tmp_path)
    rows, remarks = measure(read())
    assert remarks == []
    cases = [(row.choices["law"], row.choices["target"]) for row in rows]
    assert cases == [("normal", "16x16x3x3"), ("he_normal", "16x16x3x3"), ("he_normal", "resnet8")]
    for row in rows:
        assert parse(text_of(row)) == row
        assert [block["block"] for block in row.curve] == [0, 1, 2]
        assert {"initbench", "torch.nn.init", "torch.nn.init again", "generator", "memory"} <= row.curve[0].keys()
        assert all(block.keys() == row.curve[0].keys() for block in row.curve)
        assert all(0 < value < 60 for block in row.curve for key, value in block.items() if key != "block")
        assert row.measures["fewest_fills"] >= 2
        assert {name: row.environment[name] for name in PEERS} == installed()
    assert rows[0].measures["elements"] == 2304
    assert not list(tmp_path.iterdir())  # no storage of pytest-benchmark, no cache of pytest


def test_a_library_that_fails_is_named_and_takes_no_other_along(monkeypatch, read):
    def broken(law, target):
        def fill():
            raise ValueError("out of ideas")

        return fill

    monkeypatch.setitem(LIBRARIES, "torch.nn.init", broken)
    rows, remarks = measure(read(law="normal", network=[], blocks=2))
    assert remarks == ["normal 16x16x3x3 torch.nn.init 0 failed", "normal 16x16x3x3 torch.nn.init 1 failed"]
    assert all("initbench" in block and "torch.nn.init" not in block for block in rows[0].curve)


def test_pytest_is_run_without_the_users_settings(monkeypatch, read):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    rows, _ = measure(read(law=["normal"], network=[], blocks=2))
    assert len(rows) == 1


def test_a_peer_that_is_not_installed_has_no_version_and_is_left_out(monkeypatch, read):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in PEERS.values() else find(name))
    assert installed() == dict.fromkeys(PEERS)
    cases = list(cases_of(read(law=[*LAWS]), "cpu"))
    assert not any(set(case.fills) & set(PEERS) for case in cases)


def test_orthogonal_is_left_out_where_it_would_take_seconds(read):
    settings = read(law=["orthogonal"], shape=["2048x2048", "4096x4096"], network=[])
    assert [case.target.name for case in cases_of(settings, "cpu")] == ["2048x2048"]


def test_what_is_handed_to_pytest_is_plain():
    case = Case("normal", target.tensor("2x2", "cpu"), {"memory": lambda: None})
    label = Measurement(case, "memory", 1).label()
    assert json.loads(json.dumps(label)) == label


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"law": ["nromal"]}, "no law is named 'nromal'; did you mean normal"),
        ({"shape": "64"}, "'64' is no shape"),
        ({"shape": ["0x3"]}, "'0x3' is no shape"),
        ({"network": ["resnet9"]}, "no model is named 'resnet9'; did you mean"),
        ({"blocks": 1}, "blocks takes a whole number of at least 2, not 1"),
        ({"blocks": 2.5}, "blocks takes a whole number of at least 2, not 2.5"),
        ({"seconds": 0}, "seconds takes a number above 0, not 0"),
        ({"shape": [], "network": []}, "nothing is measured"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_way_out(wrong, sentence, read):
    with pytest.raises(UserError, match=sentence):
        measure(read(**wrong))


@pytest.mark.parametrize("missing", [["pytest", "pytest_benchmark"], ["pytest_benchmark"]])
def test_without_its_timer_nothing_is_measured_and_a_sentence_names_the_extra(tmp_path, missing):
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing})); from bench.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "throughput", "quick=true"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    names = " and ".join(missing).replace("_", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"bench: throughput needs {names}; install with: pip install -e '.[throughput]'" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_timed_by_its_own_clock(read):
    rows, remarks = measure(read(device="cuda"))
    assert remarks == []
    assert all(0 < block["initbench"] < 60 for row in rows for block in row.curve)
