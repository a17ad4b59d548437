"""What a stranger wrote (rows, checkpoints, data, a yaml) runs no code and reaches no file outside its place.

A secret is in nothing that is written or said."""

import ast
import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench import __main__ as door
from bench import catalogue, registry
from bench.parts.dataset import tensors
from bench.report import render, sheet, summarize
from bench.report.analysis.rules import Margin, Rules
from bench.rows.record import text_of
from bench.rows.store import Store
from bench.schema import FAILED, OK, Row, Run, UserError

HOME = Path(catalogue.__file__).parents[1]
SOURCES = [*HOME.glob("bench/**/*.py"), *HOME.glob("hydra_plugins/*.py")]
KEY = "0123456789abcdef0123456789abcdef01234567"
QUICK = ("study=mine", "model=resnet8", "model.width=4", "dataset=synthetic", "epochs=1", "batch_size=16", "seed=0")


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that is there once foreign code has run."""
    return tmp_path / "foreign code has run"


def test_the_bomb_of_these_tests_would_go_off(marker):
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists()


# no pickle, no code


def calls(tree: ast.AST) -> list[tuple[str, dict[str, str]]]:
    return [
        (ast.unparse(node.func), {word.arg or "": ast.unparse(word.value) for word in node.keywords})
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def imports(tree: ast.AST) -> set[str]:
    found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return found | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(HOME)))
def test_no_module_unpickles_or_runs_a_text(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not imports(tree) & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "hydra.utils"}
    for name, words in calls(tree):
        assert name not in ("eval", "exec", "os.system", "os.popen", "yaml.load", "numpy.load", "np.load"), name
        assert words.get("shell") in (None, "False")
        if name == "torch.load":
            assert words["weights_only"] == "True"


@pytest.mark.parametrize("name", ["0123456789abcdef.json", "rows.jsonl"])
def test_a_pickle_in_the_place_of_a_row_is_no_row(tmp_path, marker, name):
    store = Store(tmp_path, "mine")
    store.prepare()
    (store.folder / name).write_bytes(pickle.dumps(Bomb(marker)))
    reading = store.read()
    assert reading.rows == {}
    assert "is not a whole row" in reading.remarks[0]
    assert not marker.exists()


def test_a_checkpoint_is_loaded_as_weights_alone(marker):
    for content in (Bomb(marker), {"state": Bomb(marker)}):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    assert not marker.exists()


def test_a_pickle_among_the_files_of_a_dataset_is_refused(runs_of, machine, marker):
    batches = Path(machine.data) / "cifar-10-batches-py"
    batches.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (batches / name).write_bytes(pickle.dumps(Bomb(marker)))
    (run,) = runs_of("dataset=cifar10")
    with pytest.raises(UserError, match="corrupt: md5"):
        registry.build(run, "dataset")(Path(machine.data), False, 0)
    assert not marker.exists()


def folder_of_images(root: Path) -> Path:
    for part in ("train", "test"):
        for number, kind in enumerate(("cat", "dog")):
            for image in range(4):
                path = root / "pets" / part / kind / f"{image}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (60 * image, 100 * number, 30)).save(path)
    return root / "pets"


@pytest.fixture
def pets(machine, runs_of):
    """Load a folder of images; the data folder."""
    folder_of_images(Path(machine.data))
    (run,) = runs_of("dataset=image_folder", "dataset.folder=pets", "dataset.validation=4", "dataset.size=8")

    def load():
        function = registry.build(run, "dataset")
        tensors.loaded.cache_clear()
        return function(Path(machine.data), False, 0)

    load()
    return Path(machine.data), load


def test_a_pickle_in_the_place_of_kept_images_is_not_loaded(pets, marker):
    data, load = pets
    (kept,) = data.glob("pets-*.pt")
    torch.save(Bomb(marker), kept)
    assert load().classes == 2
    assert not marker.exists()


# no code from a yaml or a row


EVIL = """name: evil
law: none
source: a stranger
_target_: os.system
_args_: ["touch '{marker}'"]
question: []
axes: {{seed: 0, initializer: he_normal, nested: {{_target_: os.system, _args_: ["touch '{marker}'"]}}}}
skip: []
"""


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("command", [("plan",), ("list",), ("report",), ("why", "00")])
def test_a_target_in_a_study_is_never_called(tmp_path, monkeypatch, capsys, marker, command, nested):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "study").mkdir(parents=True)
    text = EVIL.format(marker=marker)
    if not nested:
        text = "\n".join(
            line.partition(", nested")[0] + "}" if "nested" in line else line for line in text.splitlines()
        )
    (tmp_path / "conf" / "study" / "evil.yaml").write_text(text)
    assert door.main([*command, "--config-dir", str(tmp_path / "conf"), "study=evil"]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not marker.exists()


@pytest.mark.parametrize("function", ["os:system", "subprocess:run", "builtins:exec", "posix:system"])
@pytest.mark.parametrize("word", ["initializer", "task", "dataset"])
def test_only_a_registered_function_stands_behind_a_name(word, function):
    with pytest.raises(UserError, match=f"no {word} is named"):
        registry.find(word, function)


def test_what_a_row_says_is_only_ever_text(tmp_path, marker, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    evil = {"_target_": "os.system", "_args_": [f"touch '{marker}'"], "note": "${oc.env:WANDB_API_KEY}"}
    store = Store(tmp_path, "mine")
    for seed in range(2):
        choices = {"task": "train", "initializer": "__import__('os')", "model": "{0.__class__}", "seed": seed, **evil}
        store.write(
            Row(
                Run("mine", choices).id,
                "mine",
                OK,
                choices,
                {"test_accuracy": seed / 2, "validation_accuracy": 0.9},
                environment=evil,
            )
        )
    rules = Rules(Margin(points=1.0), rate_margin=0.1, line=0.1)
    text = render(sheet(summarize(store.read().rows.values(), rules)), "text")
    assert "__import__('os')" in text
    assert KEY not in text
    assert not marker.exists()


# no way out of results/


@pytest.mark.parametrize("name", ["..", "../outside", "/tmp/outside", "a/../../outside", ".hidden", "a\\b", "~"])
@pytest.mark.parametrize("command", ["sweep", "status", "report", "seal", "sync", "verify", "why", "throughput"])
def test_no_study_lies_outside_the_results(tmp_path, monkeypatch, capsys, command, name):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    words = ["0"] if command == "why" else ["quick=true"] if command == "throughput" else []
    assert door.main([command, *words, f"study={name}", "tracking=off"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["work"]
    assert os.listdir(work) == []


@pytest.mark.parametrize("id", ["../../outside", "..", "/etc/passwd", "0123456789abcde/", "0123456789ABCDEF", "*"])
def test_no_id_names_a_file_outside_the_results(tmp_path, monkeypatch, capsys, id):
    monkeypatch.chdir(tmp_path)
    assert door.main(["why", id]) == 2
    assert "is not the id of a run" in capsys.readouterr().err
    store = Store(tmp_path, "mine")
    with pytest.raises(ValueError, match="id"):
        store.write(Row(id, "mine", OK, {"seed": 0}))
    assert not store.folder.exists()


def test_a_row_takes_the_place_of_a_link_and_leaves_what_it_points_to(tmp_path):
    store, outside = Store(tmp_path, "mine"), tmp_path / "outside"
    store.prepare()
    outside.write_text("precious")
    choices = {"seed": 0}
    row = Row(Run("mine", choices).id, "mine", OK, choices)
    (store.folder / f"{row.id}.json").symlink_to(outside)
    assert store.read().rows == {}
    store.write(row)
    assert outside.read_text() == "precious"
    assert store.read().rows == {row.id: row}


def test_a_link_in_a_data_folder_is_read_and_never_written_through(pets, tmp_path):
    data, load = pets
    (kept,) = data.glob("pets-*.pt")
    outside = tmp_path / "outside.pt"
    outside.write_text("precious")
    kept.unlink()
    kept.symlink_to(outside)
    assert load().classes == 2
    assert outside.read_text() == "precious"


# no secret


SECRETS = {"WANDB_API_KEY": KEY, "HF_TOKEN": f"hf_{KEY}", "aws_secret": f"aws{KEY}", "DB_PASSWORD": f"pw {KEY}"}


def test_a_secret_that_an_error_quotes_is_not_in_its_row(tmp_path, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    told = " and ".join(SECRETS.values())
    choices = {"seed": 0}
    error = {"class": "error", "cause": f"denied: {told}", "traceback": f"line\n{told}\nline"}
    store = Store(tmp_path, "mine")
    store.write(Row(Run("mine", choices).id, "mine", FAILED, choices, error=error))
    (row,) = store.read().rows.values()
    hidden = " and ".join("***" for _ in SECRETS)
    assert row.error == {"class": "error", "cause": f"denied: {hidden}", "traceback": f"line\n{hidden}\nline"}
    assert KEY not in text_of(row)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["sweep", "--cfg", "all"], 0), (["plan", "--info", "all"], 0), (["sweep", f"tracking.api_key={KEY}"], 2)],
)
def test_a_secret_is_in_no_printed_configuration_and_in_no_mistake(bench, monkeypatch, words, code):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    done = bench(*words, code=code)
    assert KEY not in done.stdout + done.stderr


def test_a_secret_is_in_nothing_that_a_sweep_writes_or_prints(tmp_path, bench, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    done = bench("sweep", *QUICK, "hydra/launcher=basic", "tracking.mode=offline")
    assert KEY not in done.stdout + done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written)
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
