"""Each reason follows the settings; each number is what the sweeper and the preflight make of them."""

import json

import pytest
import torch
from hydra import compose, initialize_config_dir

from bench import catalogue
from bench.launch import decisions as room
from bench.launch.autotune import Memory
from bench.launch.decisions import ChosenLauncher, Decision, decisions
from bench.launch.launcher import processes_of
from bench.machine import environment
from bench.machine.settings import Settings
from bench.schema import AUTO, UserError

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


@pytest.fixture
def use(configuration):
    """What is used with the settings as conf/ has them, with these changes."""

    def use(name="joblib", target=JOBLIB, n_jobs=-1, precision=None, **changes):
        settings = Settings.read(configuration | {"packing": "auto", "processes": "auto"} | changes)
        return decisions(settings, precision, ChosenLauncher(name, {"_target_": target, "n_jobs": n_jobs}, [name]))

    return use


@pytest.fixture
def flags(monkeypatch):
    def flags(*names):
        monkeypatch.setattr(environment, "processor_flags", lambda: set(names))

    return flags


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)


def test_what_is_asked_for_is_used_because_it_is_asked_for(use, flags):
    flags()
    chosen = use(threads=2, precision="bf16", processes=3, packing=4, graph=False)
    assert chosen["device"] == Decision("cpu", "device=cpu is asked for")
    assert chosen["threads"].value == 2
    assert "threads=2" in chosen["threads"].because
    assert chosen["precision"].value == "bf16"
    assert chosen["precision"].because.startswith("precision=bf16 is asked for: the processor has none of ")
    assert chosen["processes"] == Decision(3, "processes=3 is asked for")
    assert chosen["packing"] == Decision(4, "packing=4 is asked for")
    assert chosen["graph"] == Decision(False, "graph=false is asked for")


@pytest.mark.parametrize(("flag", "precision"), [("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx512f", "fp32")])
def test_automatic_precision_is_decided_by_the_flags_of_the_processor(use, flags, flag, precision):
    flags(flag, "sse2")
    chosen = use(precision="auto")["precision"]
    assert chosen.value == precision
    told = f"has {flag}" if precision == "bf16" else "has none of avx512_bf16, amx_bf16"
    assert chosen.because == f"precision=auto: the processor {told}"


def test_a_precision_that_nobody_asks_for_is_that_of_conf_and_what_auto_would_be_is_told(use, flags):
    flags("amx_bf16")
    chosen = use()["precision"]
    assert chosen.value == catalogue.options("task")["train"]["precision"]
    assert "precision=auto would be bf16: the processor has amx_bf16" in chosen.because


def test_without_a_gpu_the_device_is_the_processor_and_nothing_is_captured(use, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = use(device="auto")
    assert chosen["device"] == Decision("cpu", "device=auto: torch can use no GPU")
    assert chosen["graph"] == Decision(False, "graph=auto: steps are captured on a GPU alone")


def test_with_gpus_there_is_a_process_for_each_and_capturing_is_measured(use, two_gpus):
    chosen = use(device="auto", precision="auto")
    assert chosen["device"] == Decision("cuda", "device=auto: torch can use a GPU")
    assert chosen["precision"] == Decision("bf16", "precision=auto: the GPU has units for bf16")
    assert chosen["processes"].value == 2
    assert "one per GPU" in chosen["processes"].because
    assert chosen["graph"].value == AUTO


@pytest.mark.parametrize(
    "wish",
    [
        [],
        ["hydra/launcher=basic"],
        ["hydra/launcher=submitit_local"],
        ["hydra/launcher=submitit_local", "processes=3"],
        ["hydra.launcher.n_jobs=3"],
        ["hydra.launcher.n_jobs=3", "processes=4"],
        ["hydra.launcher.n_jobs=-2"],
        ["processes=5"],
    ],
    ids=" ".join,
)
def test_there_are_as_many_processes_as_the_sweeper_will_start(wish):
    with initialize_config_dir(str(catalogue.CONF), version_base="1.3"):
        composed = compose("sweep", ["device=cpu", *wish], return_hydra_config=True)
    hydra, asked = composed.hydra, composed.processes
    decided = processes_of(asked, hydra.launcher)
    launcher = ChosenLauncher(hydra.runtime.choices["hydra/launcher"], hydra.launcher, [])
    expected = environment.describe()["cores"] if decided == AUTO else decided
    assert room.processes(asked, 1, launcher, "cpu").value == expected


def test_a_launcher_of_a_cluster_decides_itself_how_many_jobs_run(use):
    slurm = ChosenLauncher("submitit_slurm", {"_target_": "a.submitit_launcher.SlurmLauncher"}, [])
    assert room.processes(AUTO, 1, slurm, "cpu").because == (
        "hydra/launcher=submitit_slurm decides how many jobs run at once"
    )


def test_on_a_cpu_runs_are_not_packed(use):
    assert use()["packing"] == Decision(1, "packing=auto: on a CPU no pack is faster than runs one after the other")


def test_on_a_cpu_each_core_gets_a_process(use, monkeypatch):
    monkeypatch.setattr(environment, "usable_cores", lambda: 7)
    assert use()["processes"] == Decision(7, "processes=auto: one per core, or fewer where memory is short")
    assert use(threads=3)["processes"] == Decision(
        2, "processes=auto: one per 3 cores, for as many threads, or fewer where memory is short"
    )


def test_packing_tells_how_much_was_measured_before_and_whether_the_machine_is_quiet(
    use, tmp_path, two_gpus, monkeypatch
):
    monkeypatch.setattr(environment, "has_free_core", lambda: True)
    assert use(device="auto")["packing"].value == AUTO
    assert use(device="auto")["packing"].because.endswith("measured on a quiet machine (0 kept so far)")
    Memory(tmp_path).path.write_text(json.dumps({"a shape": {"1": 2.0}, "another": {"1": 3.0}}))
    assert "(2 kept so far)" in use(device="auto")["packing"].because
    monkeypatch.setattr(environment, "has_free_core", lambda: False)
    assert "on a quiet machine, unlike now" in use(device="auto")["packing"].because


@pytest.mark.parametrize(
    ("every", "value"), [(None, "when stopped"), ("10min", "every 600 s"), ("5epochs", "every 5 epochs")]
)
def test_checkpoints_are_left_as_often_as_the_settings_say(use, every, value):
    assert use(checkpoint={"every": every})["checkpoints"].value == value


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"device": "tpu"}, "device=tpu is not here"),
        ({"precision": "fp16"}, "no precision is named 'fp16'"),
        ({"graph": True}, "device=cpu is none"),
        ({"checkpoint": {"every": "often"}}, "checkpoint.every takes .*, not 'often'"),
    ],
)
def test_what_a_sweep_would_refuse_is_refused_in_the_same_words(use, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        use(**changes)
