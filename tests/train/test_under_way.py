"""A run that trains says how far it is, step by step."""

from bench.train import under_way
from bench.train.contract import task_of


def test_a_run_says_which_share_of_its_steps_is_done(runs_of, machine):
    (run,) = runs_of("dataset=synthetic", "model=resnet8", "model.width=4", "steps=4", "batch_size=16")
    heard = []
    with under_way.heard_by(lambda id, share: heard.append((id, share))):
        task_of(run).perform([run], machine)
    assert heard == [(run.id, share) for share in (0.25, 0.5, 0.75, 1.0)]
    under_way.reached(run.id, 0.0)
    assert len(heard) == 4
