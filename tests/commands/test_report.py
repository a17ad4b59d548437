"""The command `report` as a user types it, in this process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import __main__ as door
from bench.catalogue import CONF
from bench.rows.store import Store
from bench.schema import Row, Run

FILES = {"paper.pdf", "paper.html", "keys.json", "manifest.json", "tables"}


def rows(study: str, accuracies: dict[str, list[float]], status: str = "ok") -> None:
    """Rows of a study in results/, one arm a name, one seed an accuracy."""
    store = Store("results", study)
    for name, values in accuracies.items():
        for seed, value in enumerate(values):
            choices = {"task": "train", "model": "resnet20", "normalization": "batch", "activation": "relu"}
            choices |= {"initializer": name, "dataset": "digits", "seed": seed}
            reached = {"test_accuracy": value, "validation_accuracy": value, "first_epoch_accuracy": 0.5}
            measures = {**(reached if status == "ok" else {}), "seconds": 2.0}
            environment = {"test_images": 360, "classes": 10, "torch": "2.14"}
            store.write(Row(Run(study, choices).id, study, status, choices, measures, [], environment))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the rows of a study `mine`."""
    monkeypatch.chdir(tmp_path)
    rows("mine", {"he_normal": [0.9, 0.91, 0.92], "fixup": [0.5, 0.52, 0.51]})
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, and a PDF that is none: what they look like is tested where they are made."""
    monkeypatch.setattr("bench.report.figures.figures", lambda *_: {})
    monkeypatch.setattr("bench.report.paper.pdf.pdf", lambda document: repr(document).encode())


def test_rows_of_several_tasks_make_a_table_once_one_is_chosen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choices = {"task": "coverage", "method": "t", "n": 3, "shape": "normal", "level": 0.95, "simulations": 200}
    measures = {"coverage": 0.95, "coverage_low": 0.9, "coverage_high": 0.98, "unbounded": 0.0}
    Store("results", "mine").write(Row(Run("mine", choices).id, "mine", "ok", choices, measures))
    assert door.main(["report", "study=mine", "output=off"]) == 2
    assert "several tasks, which no table shows together: coverage, train" in capsys.readouterr().err
    assert door.main(["report", "study=mine", "output=off", "where.task=train"]) == 0
    assert "he_normal" in capsys.readouterr().out


def test_it_prints_the_table_and_builds_the_paper(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["report", "study=mine"]) == 0
    said = capsys.readouterr()
    assert "he_normal" in said.out
    assert "paper/generated/paper.pdf" in said.err
    made = home / "paper" / "generated"
    assert {file.name for file in made.iterdir()} == FILES
    assert (made / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "0.91" in (made / "tables" / "results.csv").read_text()


@pytest.mark.parametrize("argument", ["format=json", "format=csv", "format=markdown", "output=off"])
def test_what_a_program_reads_builds_no_paper(home: Path, quick: None, argument: str) -> None:
    assert door.main(["report", "study=mine", argument]) == 0
    assert {file.name for file in home.iterdir()} == {"results"}


def test_a_folder_that_is_named_is_used_with_any_format(home: Path, quick: None) -> None:
    assert door.main(["report", "study=mine", "format=json", "output=here"]) == 0
    assert {file.name for file in (home / "here").iterdir()} == FILES


def test_a_check_tells_a_paper_whose_rows_changed(home: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["report", "study=mine", "check=true"]) == 1
    assert "holds no paper" in capsys.readouterr().err
    assert door.main(["report", "study=mine"]) == 0
    assert door.main(["report", "study=mine", "check=true"]) == 0
    rows("mine", {"he_normal": [0.8]})
    assert door.main(["report", "study=mine", "check=true"]) == 1
    assert "its rows are not those of now" in capsys.readouterr().err
    before = (home / "paper/generated/paper.html").read_text()
    assert door.main(["report", "study=mine"]) == 0
    assert (home / "paper/generated/paper.html").read_text() != before
    assert door.main(["report", "study=mine", "check=true"]) == 0


def test_two_studies_make_one_paper(home: Path, quick: None) -> None:
    rows("other", {"he_normal": [0.7, 0.71], "orthogonal": [0.6, 0.62]})
    assert door.main(["report", "study=mine,other"]) == 0
    tables = {file.name for file in (home / "paper/generated/tables").glob("*.csv")}
    assert {"results-mine.csv", "results-other.csv", "arms.csv"} <= tables
    keys = json.loads((home / "paper/generated/keys.json").read_text())
    assert keys["other.acc.orthogonal.resnet20.batch.relu.n"] == "2"


def test_conditions_leave_the_runs_they_name(home: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["report", "study=mine", "where.seed=0,1", "where.initializer=fixup"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 runs: 2 trained" in printed
    assert "Runs that do not meet where.seed=0,1 where.initializer=fixup are left out: verdicts have their" in printed
    assert json.loads((home / "paper/generated/keys.json").read_text())["runs.total"] == "2"


def test_a_question_without_an_answer_says_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["report", "study=mine", "study.question=[he_normal,he_leaky(slope=1)]"]
    reason = "he_normal or he_leaky(slope=1)? No arm is he_leaky(slope=1); there are fixup and he_normal."
    assert door.main([*asked, "output=off"]) == 0
    assert reason in " ".join(capsys.readouterr().out.split())
    assert door.main([*asked, "format=json"]) == 0
    question = json.loads(capsys.readouterr().out)["question"]
    assert question == {"arms": ["he_normal", "he_leaky(slope=1)"], "answer": reason, "pairs": []}


def test_one_arm_and_one_seed_still_make_a_paper(home: Path, quick: None) -> None:
    assert door.main(["report", "study=mine", "where.seed=0", "where.initializer=fixup"]) == 0
    page = (home / "paper/generated/paper.html").read_text()
    assert "an arm with a single run has no interval and no test" in page


def another_schema(home: Path) -> None:
    victim = next((home / "results/mine").glob("*.json"))
    victim.write_text(json.dumps(json.loads(victim.read_text()) | {"schema": 0}))


def all_preempted(home: Path) -> None:
    rows("mine", {"he_normal": [0.0] * 3, "fixup": [0.0] * 3}, status="preempted")


def nothing(home: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "arguments", "sentence"),
    [
        (nothing, ["where.activation=tanh"], "no run has activation=tanh; there are relu"),
        (nothing, ["where.activaton=relu"], "did you mean activation"),
        (nothing, ["study=mine,nobody"], "study nobody has no rows in results; there: mine"),
        (nothing, ["template=nowhere.j2"], "cannot read nowhere.j2: No such file"),
        (nothing, ["check=maybe"], "check takes true or false"),
        (nothing, ["outptu=here"], "no key is named 'outptu'; did you mean output"),
        (nothing, ["output=results/mine/plan.txt/x"], "choose another folder with output=DIR"),
        (another_schema, [], "no paper is made while rows are left out of it"),
        (all_preempted, [], "study mine has no run that ended"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2_and_no_file(
    home: Path,
    quick: None,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    arguments: list[str],
    sentence: str,
) -> None:
    (home / "results/mine/plan.txt").write_text("")
    spoil(home)
    assert door.main(["report", "study=mine", *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert {file.name for file in home.iterdir()} == {"results"}


def test_a_mistake_leaves_the_paper_that_was_there(home: Path, quick: None) -> None:
    assert door.main(["report", "study=mine"]) == 0
    before = {file: file.read_bytes() for file in (home / "paper").rglob("*") if file.is_file()}
    all_preempted(home)
    assert door.main(["report", "study=mine"]) == 2
    assert {file: file.read_bytes() for file in (home / "paper").rglob("*") if file.is_file()} == before


def test_rows_that_compare_no_arms_make_a_paper_of_their_own(
    home: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(["report", "study=throughput", f"results={CONF.parent / 'results'}", "output=here"]) == 0
    assert "torch.nn.init" in capsys.readouterr().out
    page = (home / "here/paper.html").read_text()
    assert "<h1>How fast weights are drawn (study throughput)</h1>" in page
    assert "Figure 1." in page
    assert {file.name for file in (home / "here/tables").glob("*.csv")} == {"speed.csv"}
