"""The commands `merge`, `why`, `verify` and `seal` as a user types them, in this process."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from bench import __main__ as door
from bench import catalogue
from bench.benchmarks.scale.measure import synthetic
from bench.machine.settings import Study
from bench.plan.plan import plan
from bench.rows.store import Store
from bench.schema import Row

AXES = ["initializer=he_normal,glorot_uniform", "seed=0,1", "epochs=2"]
ENVIRONMENT = {"git_commit": "abc", "git_dirty": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The rows of the study that AXES ask for, as training leaves them."""
    declared = catalogue.load(catalogue.CONF / "settings.yaml")["study"] | catalogue.options("study")["own"]
    study = Study.read(declared | {"name": "mine"})
    with initialize_config_dir(str(catalogue.CONF), version_base="1.3"):
        runs = plan(lambda overrides: compose("sweep", overrides=overrides), study, AXES).runs
    return [replace(row, environment={**row.environment, **ENVIRONMENT}) for row in synthetic(runs)]


@pytest.fixture
def say(home: Path, rows: list[Row], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A command in a folder with these rows: its exit code, what it says, and what it says on standard error."""
    for row in rows:
        Store("results", "mine").write(row)

    def say(*words: str) -> tuple[int, str, str]:
        code = door.main(words)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return say


def test_verify_believes_a_study_and_says_so_in_a_line(say):
    code, out, _ = say("verify", "study=mine", *AXES)
    registered = "  note: not registered: its axes were on a command line\n"
    assert (code, out) == (0, f"study mine: 4 whole rows, nothing wrong\n{registered}")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_verify_says_when_the_study_was_registered_and_which_rows_may_be_older(say, home):
    yaml = home / "conf" / "study" / "mine.yaml"
    yaml.parent.mkdir(parents=True)
    own = (catalogue.CONF / "study" / "own.yaml").read_text().replace("name: own", "name: mine")
    yaml.write_text(own + "axes: {initializer: 'he_normal,glorot_uniform', seed: '0,1', epochs: 2}\n")
    words = ("verify", "--config-dir", str(home / "conf"), "study=mine")
    assert "not registered: git knows no commit of conf/study/mine.yaml" in say(*words)[1]
    for command in (
        ["init", "-q"],
        ["add", "conf"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    code, out, _ = say(*words)
    assert code == 0
    assert f"registered: conf/study/mine.yaml, commit {commit[:12]}, " in out
    assert "whether 4 rows are older than conf/study/mine.yaml is unknown (their commits: no commit)" in out
    record = json.loads(say(*words, "format=json")[1])
    assert record["registered"]["commit"] == commit
    assert record["older"] == {"known": {}, "unknown": {"no commit": 4}}


def test_verify_ends_with_1_and_the_list_for_an_edited_row(say, rows, home):
    path = home / "results" / "mine" / f"{rows[0].id}.json"
    path.write_bytes(path.read_bytes().replace(b'"steps": 114', b'"steps": 113'))
    code, out, _ = say("verify", "study=mine", *AXES, "format=json")
    said = json.loads(out)
    assert code == 1
    assert said["rows"] == 3
    assert any("digest" in one and path.name in one for one in said["wrong"])
    assert any("no row" in one and rows[0].id in one for one in said["wrong"])


def test_verify_takes_the_last_sweep_for_the_plan_of_a_study_without_a_yaml(say, rows):
    assert "no plan is known" in say("verify", "study=mine")[1]
    Store("results", "mine").write_plan([*(row.id for row in rows), "0123456789abcdef"])
    code, out, _ = say("verify", "study=mine")
    assert code == 1
    assert "0123456789abcdef" in out


def test_verify_asks_for_one_version_of_the_code_unless_mixed_is_said(say, rows):
    Store("results", "mine").write(replace(rows[0], environment={**rows[0].environment, "git_commit": "def"}))
    assert say("verify", "study=mine", *AXES)[0] == 1
    assert say("verify", "study=mine", *AXES, "mixed=true")[0] == 0


def test_why_tells_a_done_run_from_a_new_one_and_names_what_changed(say, rows):
    code, out, _ = say("why", rows[0].id, "study=mine", *AXES)
    assert (code, out) == (
        0,
        f"study mine: {rows[0].id} would be skipped: its row is whole and says {rows[0].status}\n",
    )
    now = ("study=mine", *AXES, "batch_size=32")
    old, other = json.loads(say("why", rows[0].id[:9], rows[1].id[:9], *now, "format=json")[1])["runs"]
    assert (old["again"], old["changed"]) == (other["again"], other["changed"]) == (False, {"batch_size": [64, 32]})
    told = say("why", old["nearest"], *now)[1]
    assert f"it has no row. The nearest row is {rows[0].id}: batch_size 64 -> 32" in told


def test_why_finds_a_run_in_whichever_study_it_is(say, rows):
    assert say("why", rows[0].id)[1].startswith(f"study mine: {rows[0].id} would be skipped")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["why"], "which run? Write `python -m bench why ID`"),
        (["why", "../../x"], "is not the id of a run"),
        (["why", "ffffffffffffffff"], "no run ffffffffffffffff is known"),
        (["why", "0"], "ids of study default begin with 0"),
        (["merge"], "merge what?"),
        (["merge", "nowhere"], "nowhere holds no rows"),
        (["merge", "results", "study=other"], "no row of study other"),
        (["verify", "study=other"], "study other has no rows in results; there: mine"),
        (["verify", "study=mine", "mixed=perhaps"], "mixed takes true or false"),
        (["verify", "study=mine", "mixd=true"], "did you mean mixed"),
        (["scale", "rows=3"], "rows=3 is not a row for each of 12 arms"),
        (["scale", "rows=many"], "rows takes a whole number"),
        (["scale", "form=solid"], "form takes loose or sealed, not 'solid'"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(say, words, sentence):
    code, _, error = say(*words)
    assert code == 2
    assert error.startswith("bench: ")
    assert sentence in error


def test_merge_brings_rows_in_once_and_counts_them(say, home, rows):
    (home / "results").rename(home / "theirs=1 ü")
    code, out, _ = say("merge", "theirs=1 ü")
    assert (code, out.partition(",")[0]) == (0, "4 rows are new")
    code, out, _ = say("merge", "theirs=1 ü/mine", "results", "format=json")
    assert (code, json.loads(out)) == (0, {"new": 0, "replaced": 0, "equal": 8, "remarks": []})
    assert Store("results", "mine").read().rows == {row.id: row for row in rows}


def test_merge_ends_with_1_and_names_two_different_rows_of_one_run(say, rows):
    Store("theirs", "mine").write(replace(rows[0], measures={**rows[0].measures, "steps": 5}))
    code, out, error = say("merge", "theirs")
    assert code == 1
    assert out.startswith("0 rows are new")
    assert f"run {rows[0].id} has two different rows, in results/mine and in theirs/mine: steps 114 and 5" in error


def test_sealing_twice_changes_no_byte_and_a_changed_one_is_said(say, home, rows):
    sealed = home / "results" / "mine" / "rows.jsonl"
    assert say("seal", "study=mine")[0] == 0
    whole = sealed.read_bytes()
    for path in sealed.parent.glob("*.json"):
        path.unlink()
    assert say("seal", "study=mine")[0] == 0
    assert sealed.read_bytes() == whole
    sealed.write_bytes(whole.replace(b'"steps": 114', b'"steps": 115', 1))
    code, _, error = say("seal", "study=mine")
    assert code == 2
    assert "rows.jsonl:1 is not a whole row (edited or damaged" in error
    assert sealed.read_bytes() != whole
