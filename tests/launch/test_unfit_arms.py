"""A study of plain nets and resnets, with initializers that need residual branches: swept, asked about, merged."""

import json

import pytest

from bench.launch.failure import failed_row
from bench.rows.store import Store
from bench.schema import OK, Run

WORDS = [
    *("study=mine", "dataset=synthetic", "model=resnet8,plain8", "model.width=4", "normalization=none", "steps=2"),
    *("batch_size=16", "initializer=he_normal,fixup", "seed=range(2)", "tracking=off", "hydra/launcher=basic"),
]
SENTENCE = "fixup does not fit plain8 (2 runs left out): a plain net has no residual branches"
TODAY = "residual=fixup is not for this model: a plain net has no residual branches; take model="


def words(**changes):
    """The words of the study, with other values of some keys."""
    return [one for one in WORDS if one.partition("=")[0] not in changes] + [f"{key}={changes[key]}" for key in changes]


def test_a_plan_has_the_runs_that_fit_and_names_those_that_do_not(bench):
    planned = json.loads(bench("plan", *WORDS, "format=json").stdout)
    assert (planned["total"], planned["left"], planned["unfit"]) == (6, 6, [SENTENCE])
    assert bench("plan", *WORDS).stdout.splitlines()[1] == SENTENCE


def test_a_sweep_trains_what_fits_and_every_answer_has_the_reason(bench, tmp_path):
    swept = bench("sweep", *WORDS)
    assert SENTENCE in swept.stderr.splitlines()
    table = swept.stdout
    block = table.partition("model=resnet8")[0]
    assert "fixup does not fit: a plain net has no residual branches." in block
    assert f"{SENTENCE}." in " ".join(table.split())
    assert ["plain8", "unfit"] in [line.split()[:2] for line in table.splitlines()]

    again = bench("sweep", *WORDS)  # the reason is found again, and nothing is trained
    assert (SENTENCE in again.stderr, "runs done" in again.stderr, again.stdout) == (True, False, table)
    assert bench("report", "study=mine", "output=off").stdout == table
    assert json.loads(bench("report", "study=mine", "output=off", "format=json").stdout)["unfit"] == [SENTENCE]
    assert "does not fit" not in bench("report", "study=mine", "output=off", "where.model=resnet8").stdout

    status = json.loads(bench("status", "study=mine", "format=json").stdout)
    assert (status["total"], status["done"], status["left"], status["unfit"]) == (6, 6, 0, [SENTENCE])
    assert SENTENCE in bench("status", "study=mine").stdout
    verified = json.loads(bench("verify", *WORDS, "mixed=true", "format=json").stdout)
    assert (verified["wrong"], SENTENCE in verified["notes"]) == ([], True)

    (arm,) = map(json.loads, (tmp_path / "results" / "mine" / "unfit.jsonl").read_text().splitlines())
    asked = bench("why", arm["runs"][0], "study=mine").stdout
    assert "would be skipped: fixup does not fit plain8: a plain net has no residual branches" in asked


def test_more_seeds_of_an_unfit_arm_are_counted_with_those_before(bench):
    bench("sweep", *words(seed="0"))
    assert "plain8 (2 runs left out)" in " ".join(bench("sweep", *words(seed="0,1")).stdout.split())


def test_a_retry_leaves_the_unfit_arms_out_too(bench, tmp_path):
    bench("sweep", *WORDS)
    store = Store(tmp_path / "results", "mine")
    row = next(iter(store.read().rows.values()))
    store.write(failed_row(Run("mine", row.choices), "error", "a disk was full"))
    assert "1 left" in bench("sweep", *WORDS, "retry=failed").stderr
    assert {row.status for row in store.read().rows.values()} == {OK}


@pytest.mark.parametrize("command", ["sweep", "plan", "run"])
def test_a_plan_without_a_run_that_fits_is_refused_and_leaves_nothing(bench, tmp_path, command):
    alone = words(model="plain8", initializer="fixup", seed="0")
    assert bench(command, *alone, code=2).stderr.splitlines()[-1] == (
        "bench: no run is left. fixup does not fit plain8 (1 run left out): a plain net has no residual branches; "
        "take another model or initializer"
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_unfit_refuse_ends_the_sweep_with_the_way_out(bench, tmp_path, command):
    assert TODAY in bench(command, *WORDS, "unfit=refuse", code=2).stderr
    assert not (tmp_path / "results").exists()


def test_a_mistake_in_a_number_is_no_unfit_arm(bench):
    wrong = words(**{"initializer": "hanin", "model": "resnet8", "initializer.base": "2.0"})
    assert "stays finite only for 0 < base < 1" in bench("plan", *wrong, code=2).stderr
