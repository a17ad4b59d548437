from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from bench.plan.job import Expected, Job, Workers, from_text, jobs
from bench.plan.shape import shape
from bench.schema import Run


def handed(runs, expected, workers):
    """How many runs each job has, by the model that they train."""
    expected = {shape(run): expected[run.choices["model"]] for run in runs}
    made = jobs(runs, expected, workers, "sweep-1")
    assert sorted(run.id for job in made for run in job.runs) == sorted(run.id for run in runs)
    assert all(len({shape(run) for run in job.runs}) == 1 for job in made)
    return [(job.runs[0].choices["model"], len(job.runs)) for job in made]


def test_a_job_takes_about_as_long_as_is_asked_for_and_the_longest_runs_come_first(runs_of):
    runs = runs_of("seed=range(20)", "model=plain8,resnet8")
    expected = {"plain8": Expected(1.0, 1), "resnet8": Expected(7.0, 1)}
    assert handed(runs, expected, Workers(1, 5.0)) == [("resnet8", 1)] * 20 + [("plain8", 5)] * 4


def test_jobs_are_long_as_long_as_much_is_left_for_each_of_several_processes(runs_of):
    runs = runs_of("seed=range(40)", "model=plain8,resnet8")
    expected = {"plain8": Expected(1.0, 1), "resnet8": Expected(2.0, 1)}
    made = handed(runs, expected, Workers(2, 5.0))
    assert made[:3] == [("resnet8", 15), ("resnet8", 12), ("resnet8", 9)]  # of 120 s 30, of 90 s 24, of 66 s 18
    assert made[-2:] == [("plain8", 5), ("plain8", 1)]
    assert len(made) <= len(handed(runs, expected, Workers(1, 5.0))) / 2


def test_a_job_is_not_much_longer_than_was_asked_for(runs_of):
    runs = runs_of("seed=range(1000)", "model=plain8")
    assert max(size for _, size in handed(runs, {"plain8": Expected(1.0, 1)}, Workers(2, 5.0))) == 30


def test_jobs_may_be_single_packs_whatever_is_left(runs_of):
    runs = runs_of("seed=range(12)", "model=plain8")
    assert handed(runs, {"plain8": Expected(1.0, 3)}, Workers(2, 0.0)) == [("plain8", 3)] * 4


def test_a_job_is_made_of_whole_packs(runs_of):
    runs = runs_of("seed=range(50)", "model=plain8")
    assert handed(runs, {"plain8": Expected(1.0, 8)}, Workers(2, 10.0)) == [("plain8", 16)] * 3 + [("plain8", 2)]


def test_no_process_goes_without_a_job_as_long_as_there_are_runs(runs_of):
    runs = runs_of("seed=range(6)", "model=plain8")
    assert handed(runs, {"plain8": Expected(0.01, 8)}, Workers(4, 10.0)) == [("plain8", 2)] * 3
    assert handed(runs, {"plain8": Expected(0.01, 8)}, Workers(1, 10.0)) == [("plain8", 6)]


def test_a_job_survives_the_way_through_hydra():
    choices = {"dataset.folder": 'it\'s a "folder" \\ with, commas={x}, ${y} and é', "seed": 1}
    odd = Run("mine", choices, {"task": "train"})
    job = Job("sweep-1", [odd, odd], packing=2, graphed=True, processes=3)
    (override,) = OverridesParser.create().parse_overrides([job.as_override()])
    arrived = from_text(OmegaConf.create({"job": override.value()}).job)
    assert arrived == job
    assert arrived.runs[0].id == odd.id
