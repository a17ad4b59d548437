"""The same study under each of Hydra's launchers: the same rows, whatever is killed, cancelled or queued again."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUDY = [
    *("study=mine", "model=resnet8", "model.width=4", "dataset=synthetic", "batch_size=16"),
    *("initializer=he_normal,glorot_uniform", "seed=range(4)", "packing=1", "tracking=off"),
]
SHORT, LONG = "steps=60", "steps=900"  # a long one can be met under way
SLURM = Path(__file__).with_name("slurm")
TIMES = ("seconds", "images_per_second", "peak_memory_bytes")


def command(*overrides):
    return [sys.executable, "-m", "bench", "sweep", *STUDY, *overrides]


def sweep(folder, *overrides):
    done = subprocess.run(command(*overrides), cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return outcomes(folder)


def outcomes(folder):
    """What each run came to, by id, but for how long it took."""
    rows = [json.loads(path.read_text()) for path in (folder / "results" / "mine").glob("*.json")]
    return {row["id"]: (row["status"], _untimed(row["measures"]), row["curve"]) for row in rows}


def _untimed(measures):
    return {name: value for name, value in measures.items() if name not in TIMES}


def installed(plugin):
    return importlib.util.find_spec(f"hydra_plugins.{plugin}") is not None


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("short"), SHORT, "hydra/launcher=basic")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("long"), LONG, "hydra/launcher=basic")


@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [
        ("joblib", "hydra_joblib_launcher"),
        ("submitit_local", "hydra_submitit_launcher"),
        pytest.param("ray", "hydra_ray_launcher", marks=pytest.mark.ray),
    ],
)
def test_a_launcher_leaves_the_rows_that_one_process_leaves(launcher, plugin, in_one_process, tmp_path):
    if not installed(plugin):
        pytest.skip(f"{plugin} is not installed here")
    assert sweep(tmp_path, SHORT, f"hydra/launcher={launcher}") == in_one_process
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A Slurm of this machine alone; its environment."""
    if os.geteuid() != 0 or not shutil.which("slurmctld") or not installed("hydra_submitit_launcher"):
        pytest.skip("needs root, Debian's slurmctld, slurmd, slurm-client and munge, and the extra [slurm]")
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        subprocess.run([SLURM, "start", folder], check=True, timeout=120)
        yield
        subprocess.run([SLURM, "stop", folder], check=True, timeout=60)


@pytest.fixture
def under_way(slurm, tmp_path):
    """Start a sweep under Slurm and wait until its first job runs; the sweep and the job's id."""
    launcher = ("hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5")
    process = subprocess.Popen(command(LONG, *launcher), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process, running_job()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        subprocess.run(["scancel", "--user", "root"], check=True)


def running_job():
    for _ in range(600):
        asked = ["squeue", "--noheader", "--states=RUNNING", "--format=%i"]
        jobs = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        if jobs:
            return jobs[0]
        time.sleep(0.1)
    raise AssertionError("no job of the sweep began within a minute")


def ended(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out.decode() + err.decode()


@pytest.mark.slurm
def test_slurm_leaves_the_rows_that_one_process_leaves(slurm, undisturbed, tmp_path):
    assert sweep(tmp_path, LONG, "hydra/launcher=submitit_slurm") == undisturbed


@pytest.mark.slurm
@pytest.mark.parametrize("disturbance", [["scancel"], ["scancel", "--signal=KILL"], ["scontrol", "requeue"]])
def test_a_job_that_slurm_takes_away_is_done_all_the_same(disturbance, under_way, undisturbed, tmp_path):
    process, job = under_way
    while not list((tmp_path / "results" / "mine" / "leases").glob("*")):  # Python's imports are over
        time.sleep(0.1)
    time.sleep(0.5)  # in the middle of a run
    subprocess.run([*disturbance, job], check=True)
    assert len(outcomes(tmp_path)) < len(undisturbed)
    ended(process)
    assert outcomes(tmp_path) == undisturbed
