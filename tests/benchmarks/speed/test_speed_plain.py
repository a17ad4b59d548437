"""The rival trains, and on what torchvision's own datasets would hand out."""

import json
import math
from dataclasses import asdict
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

from bench import catalogue, registry
from bench.benchmarks.speed import plain, script, whole
from bench.benchmarks.speed.work import model_of
from bench.parts.seeds import generator
from bench.plan.plan import plan
from bench.schema import UserError

SHAPE, CLASSES = (3, 8, 8), 4
SWEPT = ("dataset=digits", "model=plain8", "model.width=4", "batch_size=256", "epochs=1")
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # as the loader does


@pytest.fixture
def run(runs_of):
    data = ("dataset=synthetic", "dataset.crop=1", f"dataset.classes={CLASSES}")
    (run,) = runs_of("model=resnet8", "model.width=4", *data, "batch_size=32", "optimizer.nesterov=true")
    return run


def batches(shape, count=128):
    data, targets = plain.synthetic(shape, count, CLASSES)
    return DataLoader(plain.Images(data, targets, plain.augmented(data, 1, True)), 32, shuffle=True)


def test_the_rival_learns(run):
    torch.manual_seed(0)
    training = plain.Training(model_of(run, SHAPE, CLASSES), run, 40, "cpu")
    stream = plain.endless(batches(SHAPE))
    first, _ = training.learn(islice(stream, 4))
    training.learn(islice(stream, 32))
    last, _ = training.learn(islice(stream, 4))
    assert last < first / 2
    assert training.accuracy(batches(SHAPE)) > 2 / CLASSES  # twice what guessing reaches
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)  # the end of the cosine


def test_the_rival_counts_the_images_that_it_has_trained_on(run):
    training = plain.Training(model_of(run, SHAPE, CLASSES), run, 3, "cpu")
    assert training.learn(islice(plain.endless(batches(SHAPE)), 3))[1] == 3 * 32


def test_the_rival_has_the_optimizer_of_the_run(run):
    group = plain.Training(model_of(run, SHAPE, CLASSES), run, 3, "cpu").optimizer.param_groups[0]
    chosen = run.arguments("optimizer")
    assert group["initial_lr"] == chosen["learning_rate"]
    assert all(group[key] == chosen[key] for key in ("momentum", "nesterov", "weight_decay"))


@pytest.mark.parametrize(("shape", "mode"), [((1, 8, 8), "L"), ((3, 8, 8), "RGB")])
def test_images_are_handed_out_as_torchvisions_datasets_do(shape, mode):
    data, targets = plain.synthetic(shape, 12, CLASSES)
    image, target = plain.Images(data, targets, lambda image: image)[5]
    assert (image.mode, image.size, target) == (mode, shape[1:], targets[5])
    assert torch.equal((ToTensor()(image) * 255).round().to(torch.uint8), ToTensor()(data[5]).mul(255).round().byte())


def test_a_batch_is_normalised_by_channel():
    data, targets = plain.synthetic((3, 8, 8), 64, CLASSES)
    loader = DataLoader(plain.Images(data, targets, plain.augmented(data, crop=0, flip=False)), 64)
    ((images, _),) = loader
    assert images.mean((0, 2, 3)).numpy() == pytest.approx(np.zeros(3), abs=1e-5)
    assert images.std((0, 2, 3)).numpy() == pytest.approx(np.ones(3), rel=1e-3)


@FORKS
def test_an_epoch_of_the_loader_has_whole_batches_of_as_many_images_as_the_run_has(run):
    loader = plain.synthetic_loader(run, SHAPE, CLASSES, "cpu")
    assert loader.num_workers == 2
    assert not loader.persistent_workers  # torch's default, which the rival keeps
    assert [len(labels) for _, labels in loader] == [32] * (run.choices["dataset.train"] // 32)


@FORKS
def test_the_script_trains_the_runs_of_its_file_and_prints_a_line_per_arm(runs_of, tmp_path, capsys):
    runs = runs_of(*SWEPT, "initializer=he_normal,torch_default", "seed=0,1")
    script.check(runs)
    file = tmp_path / "runs.json"
    file.write_text(json.dumps([asdict(run) for run in runs]))
    script.main(str(file), "cpu")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["plain8/batch/relu/he_normal", "plain8/batch/relu/torch_default"]
    assert all(line.endswith("%  n=2") and 0 < float(line.split()[1]) <= 100 for line in lines)


@FORKS
def test_the_script_ends_a_diverged_run_and_says_so(runs_of):
    (run,) = runs_of(*SWEPT, "normalization=none", "optimizer.learning_rate=1e30")
    data = script.loaders(run.arguments("dataset"), run.choices["batch_size"], "cpu")
    assert math.isnan(script.train(run, data, "cpu"))


@pytest.mark.parametrize("name", [name for name, law in script.LAWS.items() if law])
def test_the_script_draws_weights_of_the_variance_of_our_law_of_that_name(name, runs_of):
    (run,) = runs_of("model=resnet8", f"initializer={name}")
    torch.manual_seed(0)
    theirs, ours = (nn.Sequential(nn.Conv2d(40, 64, 3)) for _ in range(2))
    script.initialise(theirs, script.LAWS[name])
    registry.build(run, "initializer")(ours, generator(0, "init"), torch.zeros(2, 40, 8, 8))
    assert float(theirs[0].weight.detach().var()) == pytest.approx(float(ours[0].weight.detach().var()), rel=0.05)
    assert not theirs[0].bias.any()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (["initializer=lsuv"], "no initializer lsuv; in sweep=.* take glorot_normal"),
        (["dataset=synthetic"], "no dataset synthetic; in sweep=.* take digits"),
        (["warmup_steps=3"], "knows no warmup_steps=3"),
        (["batch_size=32,64"], "give batch_size and dataset one value"),
    ],
)
def test_what_the_script_cannot_do_as_the_engine_does_is_refused(wish, sentence, runs_of):
    with pytest.raises(UserError, match=sentence):
        script.check(runs_of(*wish))


def test_the_script_can_do_the_sweep_that_is_measured_by_default(compose):
    overrides = catalogue.load(catalogue.CONF / "speed.yaml")["sweep"]
    runs = whole.runs_of(compose, overrides)
    assert len(runs) == 24
    assert {run.id for run in runs} == {run.id for run in plan(compose, compose([]).study, overrides).runs}
