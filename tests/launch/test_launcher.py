import pytest
from omegaconf import OmegaConf

from bench.launch.launcher import Launcher, processes_of
from bench.machine import environment
from bench.schema import AUTO, UserError

JOBLIB, BASIC, SUBMITIT = (
    {"_target_": "a.JoblibLauncher", "n_jobs": -1},
    {"_target_": "a.basic_launcher.BasicLauncher"},
    {"_target_": "a.submitit_launcher.LocalLauncher"},
)


@pytest.mark.parametrize(
    ("asked", "launcher", "expected"),
    [
        (AUTO, JOBLIB, AUTO),
        (3, JOBLIB, 3),
        (AUTO, JOBLIB | {"n_jobs": 2}, 2),
        (AUTO, JOBLIB | {"n_jobs": -2}, 7),
        (AUTO, JOBLIB | {"n_jobs": -99}, 1),
        (4, JOBLIB | {"n_jobs": 2}, 4),
        (4, BASIC, 1),
        (AUTO, SUBMITIT, 8),
        (4, SUBMITIT, 4),
    ],
)
def test_as_many_processes_as_are_asked_for_or_the_launcher_says(asked, launcher, expected, monkeypatch):
    monkeypatch.setattr(environment, "usable_cores", lambda: 8)
    assert processes_of(asked, launcher) == expected


def test_no_processes_are_a_mistake():
    with pytest.raises(UserError, match=r"hydra\.launcher\.n_jobs takes .*, not 0"):
        processes_of(AUTO, JOBLIB | {"n_jobs": 0})


@pytest.mark.parametrize(("launcher", "queues"), [(JOBLIB, False), (BASIC, False), (SUBMITIT, True)])
def test_jobs_of_another_launcher_may_begin_when_the_sweep_is_over(launcher, queues):
    assert Launcher(None, None, OmegaConf.create({"hydra": {"launcher": launcher}})).queues is queues
