"""Published claims: every file plans, one is trained and judged, and what cannot be believed is said."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from bench import catalogue
from bench.commands import claims
from bench.commands.overrides import claimed, for_hydra
from bench.plan.plan import declared
from bench.rows.store import Store, studies
from bench.schema import UserError

NAMES = sorted(catalogue.option_files("claim"))
CONTROLS = {"control_true": "supported", "control_false": "refuted"}
TINY = """
says: He trains a net where zeros do not.
source: a test
test: {estimand: training_rate, arms: [he_normal, zeros], direction: greater, margin: 0.9}
axes:
  seed: range(4)
  dataset: synthetic
  model: resnet8
  model.width: 4
  initializer: he_normal,zeros
  steps: 1
  batch_size: 16
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A --config-dir with one claim of the user's own, in place of those of the house."""
    folder = tmp_path / "conf" / "claim"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(TINY)
    return folder / "mine.yaml"


@pytest.fixture
def alone(monkeypatch, tmp_path, own):
    """No claims but those of the user and the controls, which are as small as the user's."""
    house = tmp_path / "house"
    shutil.copytree(catalogue.CONF, house, ignore=shutil.ignore_patterns("claim"))
    (house / "claim").mkdir()
    for name, known in CONTROLS.items():
        tiny = yaml.safe_load(TINY) | {"control": known}
        (house / "claim" / f"{name}.yaml").write_text(yaml.safe_dump(tiny))
    monkeypatch.setattr(catalogue, "CONF", house)
    return own


def test_every_claim_of_the_house_plans_and_has_the_arms_of_its_test(compose, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "config_folders", lambda: [catalogue.CONF])
    composed = claims.remembering(compose)
    for name, claim in claims.known_claims().items():
        found = claims.asked(composed, claim, tmp_path)
        assert (found.runs > 0) != bool(claim.untestable), name
        assert claims.evidence_of(found).untestable == (claim.untestable or ""), name


def test_a_claim_is_read_as_a_study_of_its_name_is(compose, monkeypatch):
    monkeypatch.setattr(claims, "config_folders", lambda: [catalogue.CONF])
    assert claims.known_claims()["sinusoidal"] == declared(compose(claimed("sinusoidal")))


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_opens_with_its_command_and_says_where_it_comes_from(name):
    text = (catalogue.CONF / "claim" / f"{name}.yaml").read_text()
    found = catalogue.load(catalogue.CONF / "claim" / f"{name}.yaml")
    assert text.startswith(f"# python -m bench reproduce {name} ")
    assert found["says"].endswith(".")
    assert found["source"]
    assert all(entry["because"] for entry in found.get("skip", []))
    if "untestable" not in found:
        assert found["minutes"] > 0
        assert found.get("control") or found["deviations"]


def test_there_are_twenty_claims_and_both_controls():
    declared = {name: catalogue.load(file) for name, file in catalogue.option_files("claim").items()}
    assert {name: one["control"] for name, one in declared.items() if "control" in one} == CONTROLS
    testable = [one for one in declared.values() if "untestable" not in one]
    assert len(testable) >= 20
    assert any(one.get("tier") == "exact" for one in testable)


def test_the_committed_rows_took_ninety_minutes_of_two_cores():
    results = catalogue.CONF.parent / "results" / "claims"
    rows = [row for name in studies(results) for row in Store(results, name).read(curves=False).rows.values()]
    assert len(rows) > 2000
    assert sum(row.measures["seconds"] for row in rows) / 60 / 2 < 90


def test_claims_are_a_list_on_the_command_line():
    words = for_hydra("reproduce", ["claim=a,b", "tier=cpu"])
    assert words == ["--multirun", 'claims=["a", "b"]', "tier=cpu", "overrides=[]"]
    assert for_hydra("reproduce", ["a"])[1] == 'claims=["a"]'


def test_the_study_of_a_command_may_be_a_claim():
    assert for_hydra("seal", ["study=control_true"])[:4] == [
        "study=claim",
        "+claim@study=control_true",
        'study.name="control_true"',
        "results=results/claims",
    ]


def test_a_claim_of_the_users_own_is_trained_and_judged_with_the_controls_along(bench, alone, tmp_path):
    words = ("--config-dir", str(tmp_path / "conf"), "tracking=off", "packing=1", "processes=1", "hydra/launcher=basic")
    listed = json.loads(bench("reproduce", *words[:2], "format=json").stdout)
    assert {one["name"]: one["verdict"] for one in listed} == {"mine": None, **dict.fromkeys(CONTROLS)}
    done = bench("reproduce", "claim=mine", *words)
    assert "Refuted: he_normal and zeros differ by less than 90 points" in " ".join(done.stdout.split())
    assert "control control_true is refuted and has to be supported: no verdict here can be believed" in " ".join(
        done.stdout.split()
    )
    rows = Store("results/claims", "mine").read().rows
    assert len(rows) == 10  # with five seeds, its first look
    (found,) = json.loads(bench("reproduce", "mine", *words, "format=json").stdout)
    assert (found["verdict"], found["seeds"], found["runs"]) == ("refuted", 5, 10)
    checked = bench("verify", "study=mine", *words[:2]).stdout
    assert "nothing wrong" in checked
    assert "does not ask for" not in checked
    assert bench("seal", "study=mine", *words[:2]).stdout

    alone.write_text(TINY.replace("margin: 0.9", "margin: 0.8"))
    edited = " ".join(bench("reproduce", *words[:2], "format=json").stdout.split())
    assert "The claim was edited after its rows: its digest is" in edited
    assert "the claim was edited after its rows" in bench("verify", "study=mine", *words[:2]).stdout

    alone.write_text(TINY.replace("steps: 1", "steps: 2"))
    (other,) = [
        one for one in json.loads(bench("reproduce", *words[:2], "format=json").stdout) if one["name"] == "mine"
    ]
    assert other["verdict"] is None
    assert any(
        "10 rows in results/claims/mine are of another protocol than the claim's (steps=1) and are refused" in one
        for one in other["sentences"]
    )


def test_a_claim_is_run_as_its_yaml_says(bench, alone):
    assert (
        "a claim is run as its yaml says, not with epochs=1"
        in bench("reproduce", "claim=mine", "epochs=1", code=2).stderr
    )


def test_an_unknown_claim_is_answered_with_the_nearest(bench, alone):
    assert "did you mean control_true" in bench("reproduce", "claim=control_tru", code=2).stderr


def test_a_claim_for_a_gpu_is_not_run_without_one(bench, alone, tmp_path):
    alone.write_text(TINY + "hardware: gpu\nminutes: 5\n")
    words = ("--config-dir", str(tmp_path / "conf"), "tracking=off", "packing=1", "processes=1", "hydra/launcher=basic")
    done = bench("reproduce", "claim=mine", "device=cpu", *words)
    assert "claim mine is not run: it needs a GPU for about 5 minutes" in done.stderr
    assert not Path("results/claims/mine").exists()


def test_a_claim_may_not_have_the_name_of_a_study(tmp_path):
    for kind in ("claim", "study"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "same.yaml").write_text("name: same\n")
    with pytest.raises(UserError, match="a claim and a study are both named same"):
        catalogue.study_files([tmp_path])
