"""What is measured of which arm: shares, blocks, rows. No speed is asserted anywhere."""

import multiprocessing
import subprocess
import sys
from collections import Counter
from threading import Barrier
from types import SimpleNamespace

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from bench.benchmarks.settings import SpeedSettings
from bench.benchmarks.speed import arms, measure, whole
from bench.benchmarks.speed import table as report
from bench.benchmarks.speed.arms import ALONE, PLAIN, TOGETHER, TOGETHER_FP32, Arm, Pool, arms_of, runs_for
from bench.benchmarks.speed.work import changed, run_of, work
from bench.catalogue import CONF
from bench.rows.record import parse, text_of
from bench.schema import OK, Row, UserError

WORK = "resnet8/1x8x8"
NUMBERS = {
    "batch_size": 8,
    "precision": "fp32",
    "blocks": 2,
    "seconds": 0.01,
    "sweep_blocks": 1,
    "quick": False,
    "minutes": None,
}
QUICK = {**NUMBERS, "work": WORK, "sweep": [], "soak": 0, "packing": 2}


slow = pytest.mark.slow  # trains and times in processes that start anew


@pytest.fixture
def read(configuration):
    """The settings of a small measurement, with changes."""
    return lambda **changes: SpeedSettings.read(configuration | QUICK | changes)


@pytest.fixture
def tiny(compose):
    """A run of a work, on few images."""
    return changed(run_of(work(WORK), compose, 8, "fp32"), **{"dataset.train": 20, "model.width": 2})


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The rows of `quick=true`, which measures one of everything, by kind."""
    home = tmp_path_factory.mktemp("quick")
    here = [f"{key}={home}" for key in ("data", "results", "cache")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra_compose("speed", overrides=["quick=true", "device=cpu", *here])
        settings = SpeedSettings.read(OmegaConf.to_container(config, resolve=True))
        rows = list(measure.measure(lambda overrides: hydra_compose("sweep", overrides=overrides), settings))
    return {row.choices["kind"]: row for row in rows}


@slow
def test_rows_are_of_a_work_a_whole_sweep_and_very_many_runs_and_the_store_believes_them(quick):
    assert [*quick] == ["training", "sweep", "soak"]
    assert all(parse(text_of(row)) == row and row.choices["task"] == "speed" for row in quick.values())
    assert len({row.id for row in quick.values()}) == 3


@slow
def test_a_work_has_the_seconds_of_every_arm_in_every_block(quick):
    row = quick["training"]
    assert row.choices["work"] == WORK
    assert [block["block"] for block in row.curve] == [0, 1]
    for block in row.curve:
        assert [*block] == ["block", PLAIN, measure.AGAIN, ALONE, TOGETHER]
        assert all(0 < block[name] < 600 for name in block if name != "block")


@slow
def test_a_work_says_what_its_arms_are_and_what_they_trained(quick):
    row = quick["training"]
    assert row.measures["images"] == row.measures["runs"] * row.measures["steps"] * row.choices["batch_size"]
    assert row.measures["flops_per_image"] > 0
    assert row.measures["matmul_fp32"] > 0
    assert row.environment["arms"][PLAIN] == row.environment["arms"][measure.AGAIN]
    together = row.environment["arms"][TOGETHER]
    assert (together["processes"], together["packing"], together["precision"]) == (1, 1, "fp32")
    assert len(report.frame([row])) == 4


@slow
def test_a_whole_sweep_has_the_seconds_of_both_sides(quick):
    row = quick["sweep"]
    assert row.measures["runs"] == 1
    assert [*row.curve[0]] == ["block", "plain", "sweep"]
    assert all(0 < row.curve[0][name] < 600 for name in ("plain", "sweep"))


@slow
def test_very_many_runs_say_what_a_run_costs_and_what_a_process_holds(quick):
    row = quick["soak"]
    assert (row.measures["runs"], row.curve[-1]["runs"]) == (8, 8)
    assert row.measures["outside_seconds"] < row.measures["overhead_seconds"]  # what is beyond training is more
    assert row.curve[-1]["peak_memory_bytes"] > 2**20


def test_every_measurement_leaves_a_row_that_the_store_believes(compose, read, monkeypatch):
    found = ({"runs": 1}, [{"block": 0, PLAIN: 1.0}], {"arms": {}})
    monkeypatch.setattr(measure, "training", lambda *about: found)
    monkeypatch.setattr(whole, "sweeps", lambda *about: found)
    monkeypatch.setattr(whole, "soak", lambda *about: found)
    rows = list(measure.measure(compose, read(quick=True)))
    assert [row.choices["kind"] for row in rows] == ["training", "sweep", "soak"]
    assert all(parse(text_of(row)) == row and row.choices["task"] == "speed" for row in rows)
    assert len({row.id for row in rows}) == 3


def alone_in_its_arm(monkeypatch):
    monkeypatch.setattr(arms, "_barrier", [Barrier(1)])
    monkeypatch.setattr(arms, "_batches", {})
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of this process, for the tests that follow


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # as the loader forks
@pytest.mark.parametrize(("train", "packing"), [(arms._plainly, 1), (arms._by_engine, 1), (arms._by_engine, 2)])
def test_every_arm_trains_on_as_many_images(monkeypatch, tiny, machine, train, packing):
    alone_in_its_arm(monkeypatch)
    runs = [changed(tiny, seed=seed, steps=5) for seed in range(4)]  # an epoch has two steps
    assert train(runs, work(WORK), machine, packing, 0) == 4 * 5 * 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_rivals_loader_goes_on_from_run_to_run_where_its_epoch_was(monkeypatch, tiny, machine):
    alone_in_its_arm(monkeypatch)
    starts = []
    begin = arms.plain.DataLoader.__iter__
    monkeypatch.setattr(arms.plain.DataLoader, "__iter__", lambda loader: (starts.append(loader), begin(loader))[1])
    arms._plainly([changed(tiny, seed=seed, steps=1) for seed in range(5)], work(WORK), machine, 1, 0)
    assert len(starts) == 3  # five steps are two epochs of two steps, and one step of the third


@slow
def test_an_arm_is_timed_in_processes_that_stay(tiny, machine):
    with Pool(Arm(TOGETHER, 2, 1, 2, "fp32"), work(WORK), tiny, machine) as arm:
        assert all(0 < arm.seconds(runs=4, steps=2) < 600 for _ in range(2))
        assert len(arm.pool._processes) == 2


def test_the_rivals_workers_start_as_in_a_users_script(tiny, machine):
    with Pool(Arm(PLAIN, 1, 2, 1, "fp32"), work(WORK), tiny, machine) as arm:
        arm.seconds(runs=1, steps=1)
        told = arm.pool.submit(multiprocessing.get_start_method).result()
    script = [sys.executable, "-c", "import multiprocessing; print(multiprocessing.get_start_method())"]
    assert told == subprocess.run(script, capture_output=True, text=True, check=True).stdout.strip()


def test_an_arm_that_trains_on_less_is_refused(tiny, machine):
    wild = changed(tiny, **{"optimizer.learning_rate": 1e30})
    message = r"the arm alone trained on \d+ images of 80, as a run diverged"
    with Pool(Arm(ALONE, 1, 1, 1, "fp32"), work(WORK), wild, machine) as arm, pytest.raises(UserError, match=message):
        arm.seconds(runs=1, steps=10)


def test_all_arms_have_whole_packs_for_each_of_their_processes():
    assert (
        runs_for([Arm(PLAIN, 1, 2, 1, "fp32"), Arm(TOGETHER, 2, 1, 4, "bf16"), Arm(TOGETHER_FP32, 3, 1, 1, "fp32")])
        == 24
    )


def test_the_engine_in_float32_is_an_arm_of_its_own_only_where_the_others_are_not(read, tiny, machine):
    names = [PLAIN, ALONE, TOGETHER]
    single = read(packing=1)
    assert [arm.name for arm in arms_of(tiny, machine, single)] == names
    found = arms_of(changed(tiny, precision="bf16"), machine, single)
    assert [arm.name for arm in found] == [*names, TOGETHER_FP32]
    assert [arm.precision for arm in found] == ["fp32", "bf16", "bf16", "fp32"]


@pytest.mark.parametrize(("at_once", "set_up"), [(1, 0.0), (2, 7.0)])
def test_steps_are_so_many_that_an_arm_fills_a_block_besides_what_it_sets_up(at_once, set_up):
    def seconds(runs, steps):
        return set_up + 0.05 * runs * steps

    arm = SimpleNamespace(seconds=seconds, arm=SimpleNamespace(at_once=at_once))
    assert measure.steps_for(arm, seconds=8, runs=4) == 40
    assert measure.steps_for(arm, seconds=0.001, runs=4) == 1


def test_the_seconds_of_an_arm_are_those_for_the_images_of_plain():
    run = SimpleNamespace(choices={"batch_size": 8})
    made = {name: SimpleNamespace(run=run, work=work(WORK)) for name in ("plain", "together")}
    made["plain"].seconds = lambda runs, steps: 0.1 * runs * steps
    made["together"].seconds = lambda runs, steps: 0.002 * runs * steps
    found = list(measure.blocks(made, 4, {"plain": 20, "together": 1000}, 2))
    assert [block["plain"] for block in found] == pytest.approx([8.0, 8.0])
    assert [block["together"] for block in found] == pytest.approx([0.16, 0.16])


def test_blocks_take_turns_and_no_arm_keeps_its_place():
    found = measure.orders([*"abcd"], 200, "seed")
    assert all(sorted(order) == [*"abcd"] for order in found)
    places = Counter(order.index("a") for order in found)
    assert len(places) == 4
    assert min(places.values()) > 25  # 50 are expected, and 6 their standard deviation
    assert found == measure.orders([*"abcd"], 200, "seed")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"work": "resnet8"}, "'resnet8' is no work; write a model and the shape"),
        ({"blocks": 1}, "blocks takes a whole number of at least 2, not 1"),
        ({"blocks": 2.5}, "blocks takes a whole number of at least 2, not 2.5"),
        ({"soak": -1}, "soak takes a whole number of at least 0, not -1"),
        ({"batch_size": "many"}, "batch_size takes a whole number of at least 1, not 'many'"),
        ({"seconds": 0}, "seconds takes a number above 0, not 0"),
        ({"precision": "fp8"}, "precision takes fp32 or bf16 or auto, not 'fp8'"),
        ({"work": [], "sweep": []}, "nothing is measured: name a work"),
        ({"work": [], "soak": 3}, "soak=3 is not many next to 4 runs"),
        ({"sweep": ["initializer=lsuv"]}, "the plain script has no initializer lsuv"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_way_out(compose, read, wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        list(measure.measure(compose, read(**{"processes": 2, **wrong})))


def rows(count, seconds, training):
    made = []
    for place in range(count):
        measures = {"seconds": seconds, "steps": 1, "images_per_second": 16 / training}
        measures["peak_memory_bytes"] = 1000 + place
        finished = {"finished": f"2026-01-01T00:{place:02}:00"}
        made.append(Row(str(place), "soak", OK, {"batch_size": 16}, measures, environment=finished))
    return made


def test_what_a_run_costs_is_the_slope_between_two_sweeps_less_what_the_runs_say_of_themselves():
    short, long = (
        whole.Swept(seconds=10 + count * 0.05 / 2, rows=rows(count, seconds=0.04, training=0.03)) for count in (4, 54)
    )
    assert whole.costs(short, long, processes=2) == pytest.approx({"overhead_seconds": 0.02, "outside_seconds": 0.01})


def test_memory_is_the_most_that_any_process_held_by_the_end_of_each_tenth():
    found = whole.memory(rows(20, 1, 1))
    assert [(one["runs"], one["peak_memory_bytes"]) for one in found] == [(n, 999 + n) for n in range(2, 21, 2)]
    assert whole.memory(rows(3, 1, 1))[0]["runs"] == 1  # a tenth of it is no run


def test_a_whole_sweep_and_the_script_are_measured_in_turns(compose, read, monkeypatch):
    called = []
    monkeypatch.setattr(whole, "timed", lambda words: called.append(words[0]) or {"seconds": float(len(called))})
    (row,) = measure.measure(compose, read(work=[], sweep=["initializer=he_normal"], sweep_blocks=2))
    assert called == ["bench.benchmarks.speed.script", "bench", "bench", "bench.benchmarks.speed.script"]
    assert row.curve == [{"block": 0, "plain": 1.0, "sweep": 2.0}, {"block": 1, "plain": 4.0, "sweep": 3.0}]
    assert row.measures["runs"] == 5 * 2 * 2 * 2


def test_our_sweep_is_that_of_the_settings_and_remembers_nothing(read, tmp_path):
    words = whole.as_sweep(read(sweep=["seed=0"], threads=2), tmp_path)
    assert words[:3] == ["bench", "sweep", "seed=0"]
    assert {"tracking=off", "threads=2", "processes=1", "packing=2", "device=cpu"} <= {*words}
    assert f'results="{tmp_path}/results"' in words
    assert f'cache="{tmp_path}/cache"' in words
