import dataclasses
import math

import pytest
import torch

from bench.parts import optimizer
from bench.parts.dataset.tensors import Dataset, Split
from bench.parts.gain import gain
from bench.parts.seeds import generator
from bench.rows.correctness import unpacked
from bench.schema import DIVERGED, OK
from bench.train.contract import task_of
from bench.train.task import train
from bench.train.trainer import WINDOW, Trainer

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "epochs=2", "batch_size=16")


def trained(run, machine):
    return task_of(run).perform([run], machine)[0]


@pytest.fixture
def batches(monkeypatch):
    """Every batch of images that a model is trained on, in order, per run."""
    seen: list[list[torch.Tensor]] = []
    original = Dataset.augment

    def recording(self, images, moves):
        batch = original(self, images, moves)
        seen.append(batch.clone())
        return batch

    monkeypatch.setattr(Dataset, "augment", recording)
    return seen


def test_same_seed_meets_the_same_batches_whatever_the_initializer(runs_of, machine, batches):
    for run in runs_of(*TINY, "initializer=he_normal,torch_default", "seed=3"):
        trained(run, machine)
    half = len(batches) // 2
    assert half == 2 * (256 // 16)
    assert all(torch.equal(one, other) for one, other in zip(batches[:half], batches[half:], strict=True))


def splits(run, machine):
    data = task_of(run).prepare(run, machine).data
    return [getattr(data, name).images for name in ("train", "validation", "test")]


def test_arms_of_one_seed_meet_the_same_splits_and_another_seed_meets_others(runs_of, machine):
    arms = "initializer=he_normal,torch_default"
    one, other, later, _ = (splits(run, machine) for run in runs_of(*TINY, "seed=3,4", arms))
    assert all(map(torch.equal, one, other))
    assert not any(map(torch.equal, one, later))


def test_runs_of_one_split_share_one_copy_of_it_on_a_device(runs_of, machine):
    runs = runs_of(*TINY, "seed=0,1", "dataset.split_seed=0")
    there = dataclasses.replace(machine, device="meta")
    one, other = (task_of(run).prepare(run, there).data for run in runs)
    assert one is other
    assert one.train.images.is_meta


def test_what_a_gpu_does_to_numbers_decides_whether_a_checkpoint_fits(runs_of, machine, monkeypatch):
    (run,) = runs_of(*TINY)

    def made_with(name="H100", packed=1, graphed=False, tf32=False):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
        trainer = task_of(run)._begin(run, dataclasses.replace(machine, graphed=graphed), 0.0, packed)
        trainer.machine = dataclasses.replace(trainer.machine, device="cuda")
        return tuple(train.arithmetic(trainer).items())

    alike = [made_with(), made_with(), made_with(packed=2), made_with(packed=3)]
    assert len({*alike}) == 2
    assert len({*alike, made_with("H200"), made_with(graphed=True), made_with(tf32=True)}) == 5


def test_each_run_of_a_pack_trains_and_is_tested_on_the_split_of_its_seed(runs_of, machine):
    runs = runs_of(*TINY, "seed=0,1,2", "steps=4")
    packed = task_of(runs[0]).perform(runs, machine)
    for row, run in zip(packed, runs, strict=True):
        alone = trained(run, machine)
        assert row.measures["initial_loss"] == pytest.approx(alone.measures["initial_loss"], rel=1e-5)
        assert row.measures["test_loss"] == pytest.approx(alone.measures["test_loss"], rel=1e-2)
    assert len({round(row.measures["test_loss"], 2) for row in packed}) == 3


def test_another_seed_meets_other_batches_in_another_order(runs_of, machine, batches):
    for run in runs_of(*TINY, "seed=0,1"):
        trained(run, machine)
    half = len(batches) // 2
    assert not any(torch.equal(one, other) for one, other in zip(batches[:half], batches[half:], strict=True))


def test_weights_depend_on_the_seed_and_the_initializer_alone(runs_of, machine):
    def weights(*overrides):
        (run,) = runs_of(*TINY, *overrides)
        return torch.cat([tensor.flatten() for tensor in task_of(run).prepare(run, machine)[1].state_dict().values()])

    torch.manual_seed(99)
    first = weights("seed=5")
    assert torch.equal(first, weights("seed=5", "optimizer=adam"))
    assert not torch.equal(first, weights("seed=6"))


def test_a_gain_that_is_a_word_is_that_of_the_runs_activation(runs_of, machine):
    def stem(*overrides):
        (run,) = runs_of(*TINY, *overrides)
        return task_of(run).prepare(run, machine)[1].conv1.weight

    for word, kind in (("auto", "second_moment"), ("critical", "critical")):
        by_word = stem("initializer=glorot_normal", "activation=tanh", f"initializer.gain={word}")
        by_number = stem("initializer=glorot_normal", f"initializer.gain={gain(torch.nn.Tanh(), kind)}")
        torch.testing.assert_close(by_word, by_number)
    he = stem("initializer=he_normal", "activation=relu", "initializer.gain=auto")
    torch.testing.assert_close(he, stem("initializer=he_normal"))


def test_a_run_done_again_gives_the_same_row_to_the_last_bit(runs_of, machine):
    (run,) = runs_of(*TINY)
    first, again = trained(run, machine), trained(run, machine)
    costs = {"seconds", "images_per_second", "peak_memory_bytes"}
    assert first.curve == again.curve
    assert {k: v for k, v in first.measures.items() if k not in costs} == {
        k: v for k, v in again.measures.items() if k not in costs
    }


def test_training_learns(runs_of, machine):
    (run,) = runs_of(*TINY, "steps=60", "dataset.crop=0", "dataset.flip=false")
    row = trained(run, machine)
    assert row.status == OK
    assert row.measures["test_accuracy"] > 0.8  # four classes
    assert row.measures["train_loss"] < row.measures["initial_loss"] / 2


def test_a_row_says_everything_that_was_measured(runs_of, machine):
    (run,) = runs_of(*TINY, "target_loss=100.0")
    row = trained(run, machine)
    assert (row.id, row.choices) == (run.id, run.choices)
    assert [sorted(entry) for entry in row.curve] == [
        ["epoch", "train_loss", "validation_accuracy", "validation_loss"]
    ] * 2
    assert row.measures["steps"] == 2 * (256 // 16)
    assert row.measures["steps_to_loss"] == WINDOW
    assert row.measures["first_epoch_accuracy"] == row.curve[0]["validation_accuracy"]
    assert row.measures["validation_accuracy"] == row.curve[-1]["validation_accuracy"]
    assert all(math.isfinite(value) and value >= 0 for value in row.measures.values())
    assert row.environment["test_images"] == 64
    assert row.environment["threads"] == 1
    assert len(row.environment["dataset_checksum"]) == 64


def test_the_target_is_reached_where_the_mean_of_the_last_losses_is_down_to_it(runs_of, machine):
    (run,) = runs_of(*TINY, "steps=70", "dataset.crop=0", "dataset.flip=false", "target_loss=0.9")
    row = trained(run, machine)
    steps = row.measures["steps_to_loss"]
    assert steps % WINDOW == 0
    assert WINDOW <= steps < 70
    (never,) = runs_of(*TINY, "steps=70", "target_loss=0.0")
    assert trained(never, machine).measures["steps_to_loss"] is None


def test_the_first_measures_are_those_of_the_untrained_model(runs_of, machine):
    (run,) = runs_of(*TINY, "dataset.crop=0", "dataset.flip=false")
    data, model, _ = task_of(run).prepare(run, machine)
    order = torch.randperm(256, generator=generator(0, "order"))[:16]
    loss = torch.nn.functional.cross_entropy(model.train()(data.train.images[order]), data.train.labels[order])
    loss.backward()
    norm = math.sqrt(sum(float(parameter.grad.double().square().sum()) for parameter in model.parameters()))
    measures = trained(run, machine).measures
    assert measures["initial_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert measures["initial_gradient_norm"] == pytest.approx(norm, rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(runs_of, machine):
    (run,) = runs_of(*TINY, "normalization=none", "optimizer.learning_rate=1e9", "warmup_steps=0")
    row = trained(run, machine)
    assert row.status == DIVERGED
    assert row.measures["steps"] == 256 // 16  # it is seen at the end of the epoch
    assert row.curve == [{"epoch": 1, "train_loss": pytest.approx(math.nan, nan_ok=True)}]
    assert "test_accuracy" not in row.measures


def test_the_test_set_is_read_once_at_the_end(runs_of, machine, monkeypatch):
    read = []
    original = Trainer.evaluate

    def watched(self, split: Split):
        read.append("test" if split is self.data.test else "validation")
        return original(self, split)

    monkeypatch.setattr(Trainer, "evaluate", watched)
    (run,) = runs_of(*TINY)
    trained(run, machine)
    assert read == ["validation", "validation", "test"]


def test_a_row_says_which_images_of_a_test_set_that_all_seeds_share_are_correct(runs_of, machine, monkeypatch):
    models = []
    original = Trainer.evaluate
    monkeypatch.setattr(Trainer, "evaluate", lambda self, split: models.append(self.model) or original(self, split))
    (run,) = runs_of(*TINY, "dataset.split_seed=0", "seed=3")
    row = trained(run, machine)
    test = task_of(run).prepare(run, machine).data.test
    with torch.no_grad():
        expected = models[-1].eval()(test.images).argmax(1) == test.labels
    assert unpacked(row.correct, 64).tolist() == expected.tolist()
    assert row.measures["test_accuracy"] == expected.sum() / 64
    assert row.measures["test_evaluations"] == 1


def test_a_row_of_a_test_set_of_its_seed_alone_or_of_no_test_does_not_say_so(runs_of, machine):
    (own,) = runs_of(*TINY, "steps=1")
    (diverged,) = runs_of(*TINY, "dataset.split_seed=0", "normalization=none", "optimizer.learning_rate=1e9")
    assert [(row.status, row.correct) for row in (trained(own, machine), trained(diverged, machine))] == [
        (OK, None),
        (DIVERGED, None),
    ]


def test_steps_replace_epochs(runs_of, machine):
    (run,) = runs_of(*TINY, "steps=21")
    row = trained(run, machine)
    assert row.measures["steps"] == 21
    assert len(row.curve) == 2


def test_the_learning_rate_warms_up_and_follows_its_schedule(runs_of, machine, monkeypatch):
    rates = []
    original = optimizer.SGD.step

    def watched(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *arguments)

    monkeypatch.setattr(optimizer.SGD, "step", watched)
    (run,) = runs_of(*TINY, "warmup_steps=4", "schedule=cosine")
    trained(run, machine)
    cosine = [0.05 * (1 + math.cos(math.pi * step / 32)) / 2 for step in range(32)]
    assert rates == pytest.approx([min(1, (step + 1) / 4) * rate for step, rate in enumerate(cosine)])


def test_label_smoothing_changes_the_training_loss_alone(runs_of, machine):
    plain, smooth = (trained(run, machine) for run in runs_of(*TINY, "label_smoothing=0.0,0.3", "steps=1"))
    assert smooth.curve[0]["train_loss"] != plain.curve[0]["train_loss"]
    assert smooth.measures["initial_loss"] != plain.measures["initial_loss"]
    assert smooth.measures["validation_loss"] == pytest.approx(plain.measures["validation_loss"], rel=0.2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_starts_from_the_same_weights_and_learns_as_well(runs_of, machine):
    (run,) = runs_of(*TINY)
    near, far = trained(run, machine), trained(run, dataclasses.replace(machine, device="cuda"))
    assert far.measures["initial_loss"] == pytest.approx(near.measures["initial_loss"], rel=1e-3)
    assert far.measures["test_accuracy"] == pytest.approx(near.measures["test_accuracy"], abs=0.15)
