from bench.runs import rehearsal
from bench.runs.pack import shape

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16")


def test_weights_are_drawn_once_however_many_seeds_and_learning_rates_there_are(runs_of, machine, monkeypatch):
    drawn = []
    original = rehearsal.prepare
    monkeypatch.setattr(rehearsal, "prepare", lambda run, machine: drawn.append(run) or original(run, machine))
    rates = "optimizer.learning_rate=0.1,0.2,0.3"
    rehearsal.rehearse(runs_of(*TINY, "seed=range(4)", rates, "initializer=he_normal,orthogonal"), machine)
    assert [run.choices["initializer"] for run in drawn] == ["he_normal", "orthogonal"]


def test_every_run_has_an_expected_time_by_its_shape(runs_of, machine):
    runs = runs_of(*TINY, "seed=0,1", "activation=relu,tanh")
    seconds = rehearsal.rehearse(runs, machine)
    assert {shape(run) for run in runs} == set(seconds)
    assert all(value > 0 for value in seconds.values())


def test_a_longer_training_is_expected_to_take_longer(runs_of, machine):
    data, model = rehearsal.prepare(runs_of(*TINY)[0], machine)
    short, long = (
        min(rehearsal.run_seconds(run, data, model) for _ in range(5))
        for run in runs_of(*TINY[:3], TINY[4], "steps=2,2000")
    )
    assert long > 10 * short
