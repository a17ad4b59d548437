"""The commands as a user types them."""

import csv
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bench import __main__ as door
from bench import __version__, registry
from bench.commands import COMMANDS
from bench.rows.store import Store

QUICK = [
    *("study=mine", "model=resnet8", "model.width=4", "dataset=synthetic", "epochs=1", "batch_size=16"),
    *("initializer=he_normal,glorot_uniform", "tracking=off"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_its_configuration(bench, command):
    assert "results: results" in bench(command, "--cfg", "job").stdout


def test_a_sweep_resumes_grows_and_answers(bench, tmp_path):
    first = bench("sweep", *QUICK, "seed=0,1", "hydra/launcher=basic")
    assert "he_normal" in first.stdout
    rows = {path: path.read_bytes() for path in (tmp_path / "results" / "mine").glob("*.json")}
    assert len(rows) == 4

    planned = json.loads(bench("plan", *QUICK, "seed=0,1,2", "format=json").stdout)
    assert (planned["total"], planned["done"], planned["left"]) == (6, 4, 2)
    assert planned["minutes"] > 0
    assert bench("sweep", *QUICK, "seed=0,1").stdout == first.stdout
    assert without_torch("sweep", *QUICK, "seed=0,1", cwd=tmp_path) == first.stdout

    command = [sys.executable, "-m", "bench", "sweep", *QUICK, "seed=0,1,2"]  # the default launcher, in processes
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    assert {path: path.read_bytes() for path in rows} == rows
    record = json.loads(bench("status", "study=mine", "format=json").stdout)
    assert (record["total"], record["done"], record["left"], record["failed"]) == (6, 6, 0, 0)


def without_torch(*arguments, cwd):
    """What a command prints in a process that cannot import torch, which takes seconds."""
    code = "import sys; sys.modules['torch'] = None; from bench.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, stdout=subprocess.PIPE, text=True).stdout


def test_the_table_is_the_mean_of_the_rows(bench, tmp_path):
    bench("sweep", *QUICK, "seed=0,1", "hydra/launcher=basic")
    by_arm: dict[str, list[float]] = {}
    for row in Store(tmp_path / "results", "mine").read().rows.values():
        by_arm.setdefault(row.choices["initializer"], []).append(row.measures["test_accuracy"])
    lines = list(csv.DictReader(io.StringIO(bench("report", "study=mine", "format=csv").stdout)))
    assert {line["initializer"]: float(line["accuracy_of_all_mean"]) for line in lines} == {
        arm: pytest.approx(statistics.mean(values), abs=1e-12) for arm, values in by_arm.items()
    }
    assert "|" in bench("report", "study=mine", "format=markdown").stdout
    assert json.loads(bench("report", "study=mine", "format=json").stdout)


def test_a_killed_sweep_leaves_nothing_running_and_goes_on_where_it_was(bench, tmp_path):
    command = [sys.executable, "-m", "bench", "sweep", *QUICK, "seed=range(10)", "job_seconds=0.01", "epochs=4"]
    command.remove("epochs=1")
    results = tmp_path / "results" / "mine"
    sweep = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while len(list(results.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(sweep.pid)
    assert workers
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.wait()
    before = {path: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 3 <= len(before) < 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, workers))

    bench(*command[3:], "hydra/launcher=basic")
    assert len(list(results.glob("*.json"))) == 20
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


def children(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_run_trains_one_run_and_says_what_it_measured(bench):
    quick = [one for one in QUICK if not one.startswith(("study", "initializer"))]
    record = json.loads(bench("run", *quick).stdout)
    assert record["status"] == "ok"
    assert 0 <= record["test_accuracy"] <= 1
    assert json.loads(bench("run", *quick).stdout)["seconds"] == record["seconds"]  # the row that is there
    assert "takes more than one" in bench("run", *quick, "seed=0,1", code=2).stderr


def test_list_gives_a_law_and_a_source_for_each_name(bench, tmp_path):
    listed = json.loads(bench("list", "kind=initializer", "format=json").stdout)
    assert list(listed) == ["initializer"]
    assert {"he_normal", "tf_variance_scaling", "torch_default"} <= {one["name"] for one in listed["initializer"]}
    assert all(one["law"] and one["source"] for one in listed["initializer"])
    assert set(json.loads(bench("list", "format=json").stdout)) >= {"model", "dataset", "activation", "study"}


def test_throughput_measures_keeps_its_rows_and_prints_them_again(bench, tmp_path):
    record = json.loads(bench("throughput", "quick=true", "law=[normal,he_normal]", "format=json").stdout)
    assert {(one["law"], one["target"]) for one in record["table"]} == {
        ("normal", "16x16x3x3"), ("he_normal", "16x16x3x3"), ("he_normal", "resnet8"),
    }  # fmt: skip
    assert {"initbench", "torch.nn.init", "torch.nn.init again"} <= {one["library"] for one in record["table"]}
    assert "3 rows sealed" in bench("seal", "study=throughput").stdout
    assert json.loads(bench("report", "study=throughput", "format=json").stdout) == record
    assert "Slower than torch.nn.init" in bench("report", "study=throughput", "format=markdown").stdout


def test_coverage_simulates_keeps_its_rows_and_prints_them_again(bench):
    record = json.loads(bench("coverage", "simulations=200", "n=[3,5]", "shape=normal", "format=json").stdout)
    assert {(one["method"], one["n"]) for one in record["table"]} == {
        (m, n) for m in ("t", "studentized", "bca") for n in (3, 5)
    }
    assert "6 rows sealed" in bench("seal", "study=coverage").stdout
    assert json.loads(bench("report", "study=coverage", "format=json").stdout) == record
    alone = json.loads(bench("coverage", "simulations=200", "n=5", "shape=normal", "method=t", "format=json").stdout)
    assert alone["table"][0] in record["table"]  # whatever else is asked for


def test_error_rates_simulates_keeps_its_rows_and_prints_them_again(bench):
    chosen = ("scenario=two_modes", "n=[3,5]", "simulations=20")
    record = json.loads(bench("error_rates", *chosen, "processes=2", "format=json").stdout)
    assert [(one["scenario"], one["n"]) for one in record["table"]] == [("two_modes", 3), ("two_modes", 5)]
    assert "2 rows sealed" in bench("seal", "study=error_rates").stdout
    assert json.loads(bench("report", "study=error_rates", "format=json").stdout) == record


def test_a_part_of_the_users_own_works_from_outside_the_package(bench, tmp_path):
    results = tmp_path / "results"
    (results / "conf" / "initializer").mkdir(parents=True)
    (results / "conf" / "initializer" / "halves.yaml").write_text(
        "name: halves\nlaw: constant\nsource: this test\nfunction: own_parts:halves\nvalue: 0.5\n"
    )
    (results / "own_parts.py").write_text(
        "from bench.registry import initializer\n\n"
        "@initializer\n"
        "def halves(model, generator, batch, *, value: float):\n"
        "    for parameter in model.parameters():\n"
        "        parameter.data.fill_(value)\n"
    )
    quick = [one for one in QUICK if not one.startswith("initializer")]
    code = f"import sys; sys.path.insert(0, {str(results)!r}); from bench.__main__ import main; sys.exit(main())"
    arguments = ["sweep", "--config-dir", str(results / "conf"), *quick, "initializer=halves,he_normal"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "hydra/launcher=basic"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "halves" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["swep"], "did you mean sweep"),
        (["sweep", "initializer=he_norml"], "no initializer is named 'he_norml'; did you mean he_normal"),
        (["sweep", "initializer=he_normal,xavier"], "no initializer is named 'xavier'"),
        (["sweep", "model=mynet.Net"], "one of your own is model=MODULE:NAME"),
        (["sweep", "model=nowhere:Net"], "there is no module nowhere, neither on PYTHONPATH nor in"),
        (["sweep", "epoch=2"], "no key is named 'epoch'; did you mean epochs"),
        (["sweep", "epochs=abc"], "epochs takes a whole number"),
        (["sweep", "model="], "model has no value"),
        (["sweep", "seed=0,0"], "seed is given the value 0 twice"),
        (["sweep", "study=a/b", "seed=0"], "cannot name a study"),
        (["sweep", "seed"], "write key=value"),
        (["sweep", "resuls=here"], "did you mean results"),
        (["status", "stdy=mine"], "no key is named 'stdy'; did you mean study"),
        (["sweep", "tracking=of"], "no tracking is named 'of'; did you mean off"),
        (["report", "study=nothing"], "study nothing has no rows in results; there: none"),
        (["status", "study=nothing"], "study nothing has no rows"),
        (["list", "kind=initialiser"], "did you mean initializer"),
        (["list", "format=csv"], "there are text and json"),
        (["list", "kind=model,task"], "list takes one value of kind"),
        (["sweep", "format=xml"], "format takes text or markdown or csv or json, not 'xml'"),
        (["sweep", "margin=1"], "no key is named 'margin'; did you mean study.margin"),
        (["sweep", "packing=0"], "packing takes a whole number of at least 1 or auto, not 0"),
        (
            ["sweep", "processes=x"],
            "processes takes a whole number of at least 1 or auto, not 'x'",
        ),
        (["sweep", "graph=true", "study=mine"], "graph=true captures steps on a GPU, and device=cpu is none"),
        (["sweep", "job_seconds=0"], "job_seconds takes a number above 0, not 0"),
        (["doctor", "device=cuda"], "device=cuda is not here"),
        (["speed", "blocks=1"], "blocks takes a whole number of at least 2, not 1"),
        (["sweep", "threads=x"], "threads takes a whole number"),
        (["sweep", "results="], "results has no value"),
        (["sweep", "dataset=cifar10", "study=mine"], "download=true"),
        (["sweep", "device=cuda", "study=mine"], "device=cuda is not here"),
        (["throughput", "law=nromal"], "no law is named 'nromal'; did you mean normal"),
        (["coverage", "shape=norml"], "shape takes normal or skewed"),
        (["coverage", "n=1"], "n takes a whole number of at least 2"),
        (["error_rates", "scenario=equl"], "scenario takes equal or lower"),
        (["error_rates", "sd=2"], "no studies are simulated with this scenario, sd and n together"),
        (["coverage", "level=95"], "level takes a number above 0 and below 1, not 95"),
        (
            ["sweep", "study.looks=[5,3]"],
            "study.looks takes a list [a,b] of whole numbers that rise from at least 2, not [5, 3]",
        ),
        (
            ["sweep", "study.margin=wide"],
            "study.margin takes a number above 0 and of at most 100 or a percentage such as 25%, not 'wide'",
        ),
        (["throughput", "block=3"], "no key is named 'block'; did you mean blocks"),
        (["sweep", "seed=range(0,1,0)"], "a range takes a step other than 0"),
        (["sweep", "seed=range(0,inf)"], "seed takes a number, not inf"),
        (["sweep", "seed=range(10000000)"], "1,000,000 values at most"),
        (["sweep", "seed=range(1001)", "dataset.split_seed=range(1001)"], "a study has at most 1,000,000"),
        (["sweep", "seed=-1"], "seed takes a whole number of at least 0, not -1"),
        (["sweep", "model=3"], "model takes a name, not 3; `python -m bench list model`"),
        (["sweep", "model=resnet8,[a]"], "model takes a name, not ['a']"),
        (["sweep", "initializer=foo"], "no initializer is named 'foo'. `python -m bench list initializer` lists all"),
        (["sweep", "job=abc"], "no key is named 'job'. `python -m bench COMMAND --help` lists all"),
        (["sweep", "hydra/launcher=3"], "an option is chosen by its name"),
        (["list", "initializer=3"], "an option is chosen by its name"),
        (["list", "--resolve"], "--resolve"),
        (["sweep", "--nope"], "unrecognized arguments: --nope; write KEY=VALUE"),
        (["sweep", "--cfg", "nope"], "invalid choice: 'nope'"),
        (["plan", "+claim=he_for_relu"], "no key is named '+claim'"),
        (["plan", "threads=1,2"], "plan takes one value of threads"),
        (["sweep", "tracking=off,wandb"], "sweep takes one value of tracking"),
        (["sweep", "timeout=range(1,3)"], "sweep takes one value of timeout"),
        (["probe", "model=resnet8", "input=3,-8,8"], "probe takes one value of input"),
        (["probe", "model=resnet8", "steps=-1"], "steps takes a whole number of at least 1"),
        (["sweep", "hydra.sweeper._target_=os.system"], "no key is named 'hydra.sweeper._target_'"),
        (["sweep", "results=a", "results=b"], "results is given twice"),
        (["status", "study=a", "study=b"], "study is given twice"),
        (["sweep", "checkpoint=3"], "checkpoint takes keys {KEY: VALUE}, not 3"),
        (["sweep", "study.axes={nope:[0]}"], "study.axes is set in a yaml of conf/"),
        (["sweep", "study.skip=[{modle:resnet8,because:x}]"], "no key is named 'modle'; did you mean model"),
        (["sweep", "study.skip=[{model:resnet8}]"], "study.skip takes {KEY: VALUE, because: REASON}"),
        (["sweep", "study=qestion"], "did you mean question? For a study of your own"),
        (["report", "study=qestion"], "did you mean question? For a study of your own"),
        (["sweep", "results=a=b"], """quote a value with other signs than letters and digits: 'results="a=b"'"""),
        (["speed", "sweep=[seed=1]"], """'sweep=["seed=1"]'"""),
        (["sweep", "hydra.job.chdir=true"], "no key is named 'hydra.job.chdir'"),
        (["sweep", "hydra.launcher._target_=os.system"], "no key is named 'hydra.launcher._target_'"),
        (["sweep", "dataset.folder=ü"], """'dataset.folder="ü"'"""),
        (["sweep", "dataset.ordner ü=3"], "write key=value or key=value,value\n"),
        (
            ["sweep", "study.question=[he_normal,he_norml]"],
            "question: no initializer is named 'he_norml'",
        ),
        (["sweep", "=3"], "a value without a key"),
        (["sweep", "initializer@x=he_normal"], "a run has fixed keys; write initializer=VALUE"),
        (["sweep", "--config-name", "status"], "--config-name fits no command here"),
        (["status", "-m"], "--multirun fits no command here"),
        (["sweep", "--package", "study"], "write --cfg job --package PACKAGE"),
        (["sweep", "--shell-completion", "query=bash"], "KeyError: 'COMP_LINE'"),
        (["status", 'study="a b"'], "cannot name a study"),
        (["sweep", "hydra.launcher.n_jobs=x"], "Value 'x' of type 'str' could not be converted to Integer"),
        (["throughput", "threads=0"], "threads takes a whole number from 1 to 1024, not 0"),
        (["throughput", "law=[nope]"], "no law is named 'nope'"),
        (["speed", "work=[nope]"], "'nope' is no work"),
        (["probe_error_rates", "part=[run]", "diagnosed=[nope]"], "diagnosed=nope: this study has no rows of training"),
        (["scale", "rows=99999999999999"], "1,000,000 values at most"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert door.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("bench: ")
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "results").exists() or not [*(tmp_path / "results").iterdir()]


def test_a_current_folder_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert door.main(["status"]) == 2
    assert "bench: cannot use the current folder: No such file" in capsys.readouterr().err


def test_a_study_of_ones_own_is_said_to_be_one_while_it_is_new(bench):
    said = "study qestion is new: no yaml declares it, so it is one of your own"
    quick = ["study=own", "study.name=qestion", *QUICK[1:], "hydra/launcher=basic", "steps=1"]
    assert said in bench("plan", *quick).stderr
    assert said in bench("sweep", *quick).stderr
    assert said not in bench("plan", "study=qestion", *quick[2:]).stderr  # its rows show that the name is no slip
    assert "one of your own" not in bench("plan", "study=single", *QUICK[1:]).stderr


def test_a_setting_of_a_mirror_that_is_off_is_said_to_change_nothing(bench):
    said = bench("run", "steps=1", "dataset=synthetic", "model=resnet8", "tracking=off", "tracking.mode=online").stderr
    assert "tracking=off: nothing goes to W&B, so tracking.mode=online changes nothing" in said


@pytest.mark.parametrize("words", [["sweep", "--version"], ["--version"], ["plan", "study=mine", "--version"]])
def test_the_version_is_ours(bench, words):
    assert bench(*words).stdout == f"initbench {__version__}\n"


@pytest.mark.parametrize("flag", ["--hel", "--versio", "--conf", "--no-such"])
def test_a_flag_is_not_guessed(bench, flag):
    assert flag in bench("sweep", flag, code=2).stderr


def test_a_pattern_names_several_options(bench):
    planned = json.loads(bench("plan", *QUICK[:-2], "tracking=off", "initializer=glob(lecun_*)", "format=json").stdout)
    assert planned["total"] == 2
    assert "initializer has no value" in bench("plan", "initializer=glob(nothing*)", code=2).stderr


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("study/mine.yaml", "name: !own mine\n", "study/mine.yaml, line 1: could not determine a constructor"),
        ("study/mine.yaml", "name: [\n", "study/mine.yaml, line 2: "),
        ("study/mine.yaml", "name: mine\nsource: here\n", "study.law is missing"),
        ("study/mine.yaml", "name: mine\nlaw: x\nsource: x\naxes: [1]\n", "In 'study/mine': ConfigTypeError"),
        ("study/mine.yaml", "name: mine\nlaw: x\nsource: x\naxes: {seed: }\n", "seed takes a whole number"),
        ("study/mine.yaml", "name: mine\nlaw: x\nsource: x\naxes: {sed: 1}\n", "did you mean seed"),
        ("initializer/mine.yaml", "law: x\n", "initializer has no name"),
        ("initializer/mine.yaml", "name: mine\nlaw: x\nsource: x\n", "initializer has no function"),
        ("initializer/mine.yaml", "name: mine\nfunction: 3\n", "initializer has no function"),
        ("initializer/mine.yaml", "name: mine\nfunction: nowhere:mine\n", "no module nowhere, neither on PYTHONPATH"),
        ("initializer/mine.yaml", "name: mine\nfunction: variance_scaling\nfoo: 1\n", "conf/ gives foo"),
        ("initializer/mine.yaml", "- a\n", "initializer has no name"),
        ("initializer/mine.yaml", "name: mine\nfunction: variance_scaling\nscale: .nan\n", "scale takes a number"),
        ("initializer/mine.yaml", "name: \udcff", "codec can't decode"),
    ],
)
def test_a_mistake_in_a_yaml_is_a_sentence(bench, tmp_path, file, text, sentence):
    path = tmp_path / "results" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    word = file.partition("/")[0]
    assert sentence in bench("plan", "--config-dir", str(tmp_path / "results"), f"{word}=mine", code=2).stderr


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("halves", "halves:halves: write @initializer above it"),
        ("constant", "constant:constant: write @initializer above it"),  # not ours of that name
        ("wieghts", "no initializer in wieghts is named 'wieghts'; did you mean weights?"),
    ],
)
def test_a_function_without_a_decorator_is_named(bench, tmp_path, monkeypatch, function, sentence):
    (tmp_path / "results" / "initializer").mkdir(parents=True)
    (tmp_path / "results" / "initializer" / "mine.yaml").write_text(f"name: mine\nfunction: {function}:{function}\n")
    (tmp_path / "results" / f"{function}.py").write_text(
        "from bench.registry import initializer\n\n"
        "def halves(): ...\n\ndef constant(): ...\n\n@initializer\ndef weights(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "results")
    monkeypatch.setitem(registry._functions, "initializer", registry.functions("initializer"))
    words = ["study=mine", "--config-dir", str(tmp_path / "results"), "initializer=mine"]
    assert sentence in bench("plan", *words, code=2).stderr


@pytest.mark.parametrize("words", [["--retry", "failed"], ["--retry=failed"]])
def test_retry_may_be_written_as_an_option(bench, words):
    error = bench("sweep", *QUICK, "seed=0", *words, code=2).stderr
    assert "retry=failed: none of these 2 runs has failed so" in error


@pytest.mark.parametrize("command", ["plan", "doctor"])
def test_a_command_that_does_not_fit_in_memory_says_so(command, tmp_path):
    starved = ["bash", "-c", f"ulimit -v 400000; OPENBLAS_NUM_THREADS=1 exec {sys.executable} -m bench {command}"]
    done = subprocess.run(starved, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench: not enough memory (")


def test_an_error_of_our_own_is_not_taken_for_missing_memory(monkeypatch):
    def invoke(command, rest):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(door, "invoke", invoke)
    with pytest.raises(RuntimeError, match="ours"):
        door.main(["plan"])


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    listing = f"{sys.executable} -m bench list | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", listing], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "task: what is done in a run\n", "")


def test_a_failed_run_is_exit_code_1_and_says_how_to_go_on(bench, tmp_path):
    bench("sweep", *QUICK, "seed=0", "hydra/launcher=basic")
    victim = next((tmp_path / "results" / "mine").glob("*.json"))
    store = Store(tmp_path / "results", "mine")
    error = {"class": "error", "cause": "the test says so", "traceback": ""}
    store.write(replace(store.read().rows[victim.stem], status="failed", error=error))
    assert "retry=failed" in bench("sweep", *QUICK, "seed=0", code=1).stderr
    bench("sweep", *QUICK, "seed=0", "retry=failed", "hydra/launcher=basic")


def test_an_unknown_key_is_answered_with_those_of_the_command_alone(bench):
    error = bench("sweep", "output=off", code=2).stderr
    assert "no key is named 'output'" in error
    assert "did you mean output" not in error
    assert "epochs?" not in bench("status", "epochs=3", code=2).stderr
