"""A sweep as Weights & Biases has it, as a user types it, with the real W&B in offline mode."""

import json
from pathlib import Path

import pytest

from bench.rows import tracking

SWEEP = ("sweep", "study=mine", "model=resnet8", "model.width=4", "dataset=synthetic", "steps=1", "batch_size=16")
HERE = ("hydra/launcher=basic", "processes=1", "packing=1")


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the mirror can tell: it has not given up yet."""
    monkeypatch.setattr(tracking, "_gave_up", False)
    monkeypatch.setenv("WANDB_MODE", "offline")


def table(folder: Path) -> list[str]:
    """The ids in the table of the one run of W&B in a study's folder."""
    (file,) = folder.glob("wandb/offline-run-*/files/media/table/runs_*.json")
    content = json.loads(file.read_text())
    return [line[content["columns"].index("id")] for line in content["data"]]


def test_a_sweep_is_one_run_of_wandb_and_a_longer_one_goes_on_in_it(tmp_path, bench):
    for seeds in ("0", "range(2)"):
        bench(*SWEEP, *HERE, f"seed={seeds}")
        rows = [path.stem for path in tmp_path.glob("results/mine/*.json")]
        assert sorted(table(tmp_path / "results/mine")) == sorted(rows)
    assert "0 rows sent to W&B, 2 were there already" in bench("sync", "study=mine", "tracking.mode=offline").stdout


def test_a_sweep_may_be_one_run_of_wandb_for_each_of_its_runs(tmp_path, bench):
    bench(*SWEEP, *HERE, "seed=0,1", "tracking.per=run")
    rows = [path.stem for path in tmp_path.glob("results/mine/*.json")]
    sent = [path.name.rpartition("-")[2] for path in tmp_path.glob("results/mine/wandb/offline-run-*")]
    assert sorted(sent) == sorted(rows)


@pytest.mark.parametrize("per", ["study", "run"])
def test_disabled_in_the_shell_leaves_nothing_of_wandb(tmp_path, bench, monkeypatch, per):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    bench(*SWEEP, *HERE, "tracking.mode=online", f"tracking.per={per}")
    assert not (tmp_path / "results/mine/wandb").exists()
    assert "unset WANDB_MODE" in bench("sync", "study=mine", "tracking.mode=offline", code=2).stderr
