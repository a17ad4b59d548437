import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.machine.settings import Tracking
from bench.report.analysis.study_log import study_log
from bench.rows import tracking
from bench.rows.tracking import StudyLog
from bench.schema import OK, Row, Run, UserError

ROOT = Path(__file__).parents[2]
OFFLINE = Tracking(name="wandb", mode="offline", per="run", project="initbench", entity=None, init_timeout=20.0)
ONLINE = replace(OFFLINE, mode="online")
OFF = replace(OFFLINE, name="off")
STUDY = replace(OFFLINE, per="study")
KEY = "0" * 40


def row(seed: int) -> Row:
    choices = {"task": "train", "model": "resnet20", "initializer": "he_normal", "initializer.scale": 2.0, "seed": seed}
    choices |= {"steps": None, "optimizer.betas": [0.9, 0.99]}
    curve: list[dict[str, float | int | None]] = [{"epoch": epoch, "loss": 1 / (1 + epoch)} for epoch in range(3)]
    return Row(Run("study", choices).id, "study", OK, choices, {"test_accuracy": 0.5, "lost": None}, curve)


def log(rows: list[Row]) -> Callable[[], StudyLog]:
    """What a command hands to the mirror: how to read the study as it is now."""
    return lambda: study_log("study", rows)


def ledger(folder: Path, mode: str = "offline") -> list[str]:
    """The ids of the rows that were sent."""
    lines = (folder / "wandb" / f"seen-{mode}.txt").read_text().splitlines()
    assert all(line.endswith(" ok") for line in lines)
    return [line.removesuffix(" ok") for line in lines]


@pytest.fixture(autouse=True)
def a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the mirror can tell: it has not given up yet, and finds neither a key nor a home."""
    monkeypatch.setattr(tracking, "_gave_up", False)
    for name in (
        "WANDB_CACHE_DIR",
        "WANDB_DATA_DIR",
        "WANDB_ERROR_REPORTING",
        "WANDB_SILENT",
        "WANDB_API_KEY",
        "WANDB_MODE",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()


class Clogged:
    """A W&B whose start does what it is told to: raise, or block."""

    Settings = dict

    def __init__(self, start: Any) -> None:
        self.start, self.starts = start, 0

    def init(self, **_: Any) -> None:
        self.starts += 1
        self.start()

    def login(self, *, prompt: bool, verify: bool) -> bool:
        assert not prompt
        assert not verify
        return True


def clog(monkeypatch: pytest.MonkeyPatch, start: Any) -> Clogged:
    clogged = Clogged(start)
    monkeypatch.setitem(sys.modules, "wandb", clogged)
    return clogged


def refuse() -> None:
    raise ConnectionError("no route to host")


# off, and out of order


def test_off_does_nothing_and_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.rows import tracking;"
        "from types import SimpleNamespace as Tracking;"
        "tracking.mirror(None, Tracking(name='off'), Path(sys.argv[1]));"
        "print({'wandb', 'torch'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("set()\n", "")
    assert os.listdir(tmp_path) == ["home"]


def test_a_mirror_that_fails_says_so_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clogged = clog(monkeypatch, refuse)
    for seed in range(3):
        tracking.mirror(row(seed), OFFLINE, tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "no route to host" in err
    assert clogged.starts == 1
    assert not (tmp_path / "wandb" / "seen-offline.txt").exists()


def test_a_mirror_that_exits_does_not_take_the_run_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clog(monkeypatch, sys.exit)
    tracking.mirror(row(0), OFFLINE, tmp_path)
    assert "SystemExit" in capsys.readouterr().err


def test_a_mirror_that_hangs_costs_its_limit_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    released = threading.Event()
    clog(monkeypatch, released.wait)
    monkeypatch.setattr(tracking, "GRACE_S", 0.2)
    began = time.monotonic()
    for seed in range(5):
        tracking.mirror(row(seed), replace(ONLINE, init_timeout=0.0), tmp_path)
    assert 0.2 <= time.monotonic() - began < 1
    assert "no answer within" in capsys.readouterr().err
    released.set()


def test_the_limit_follows_the_timeout_that_conf_gives() -> None:
    assert tracking.limit_s(ONLINE) == 40 + tracking.GRACE_S


def test_a_mirror_that_cannot_write_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wandb").write_text("a file where the mirror wants its folder")
    tracking.mirror(row(0), OFFLINE, tmp_path)
    assert "File exists" in capsys.readouterr().err


def test_there_is_nothing_to_sync_with_when_tracking_is_off(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="W&B is off: choose tracking=wandb"):
        tracking.sync(log([row(0)]), OFF, tmp_path)


# sync, told from a W&B that is out of order


def test_a_sync_that_breaks_off_tells_what_waits_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[str] = []

    def take_two(row: Row, *_: Any) -> None:
        if len(arrived) == 2:
            refuse()
        arrived.append(row.id)

    rows = [row(seed) for seed in range(5)]
    monkeypatch.setattr(tracking, "_replay", take_two)
    with pytest.raises(UserError, match=r"took 2 rows, 3 wait, nothing is lost: .*no route to host"):
        tracking.sync(log(rows), OFFLINE, _with_wandb(tmp_path))
    monkeypatch.setattr(tracking, "_replay", lambda row, *_: arrived.append(row.id))
    assert tracking.sync(log(rows), OFFLINE, tmp_path) == (3, 2)
    assert tracking.sync(log(rows), OFFLINE, tmp_path) == (0, 5)
    assert arrived == [row.id for row in rows]


def test_a_ledger_line_cut_by_a_kill_sends_its_row_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[str] = []
    monkeypatch.setattr(tracking, "_replay", lambda row, *_: arrived.append(row.id))
    rows = [row(seed) for seed in range(3)]
    tracking.sync(log(rows), OFFLINE, _with_wandb(tmp_path))
    path = tmp_path / "wandb" / "seen-offline.txt"
    path.write_text(path.read_text()[:-5])
    arrived.clear()
    assert tracking.sync(log(rows), OFFLINE, tmp_path) == (1, 2)
    assert arrived == [rows[-1].id]


def test_offline_and_online_keep_their_own_ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clog(monkeypatch, refuse)
    monkeypatch.setattr(tracking, "_replay", lambda *_: None)
    tracking.mirror(row(0), OFFLINE, _with_wandb(tmp_path))
    assert tracking.sync(log([row(0)]), ONLINE, tmp_path) == (1, 0)


def _with_wandb(folder: Path) -> Path:
    (folder / "wandb").mkdir()
    return folder


# the real W&B, in a process of its own

IGNORED = "ignore:Implicitly cleaning up:ResourceWarning"  # folders of W&B for the files of a table, at its exit

SCRIPT = """
import json, sys
from pathlib import Path
from bench.machine.settings import Tracking
from bench.rows import tracking
from bench.rows.tracking import StudyLog
from bench.schema import Row, UserError
rows = [Row(**fields) for fields in json.loads(sys.argv[1])]
conf, folder = Tracking(**json.loads(sys.argv[2])), Path(sys.argv[3])
def read():
    if conf.per == "run":
        return StudyLog("study", rows, [], {})
    from bench.report.analysis.study_log import study_log
    return study_log("study", rows)
for row in rows:
    tracking.mirror(row, conf, folder)
tracking.mirror_study(read, conf, folder)
try:
    print(tracking.sync(read, conf, folder))
except UserError as error:
    print("UserError:", error)
"""


def in_a_process(
    rows: list[Row], conf: Tracking, tmp_path: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Mirror the rows and then sync them, from an empty folder, with warnings as errors."""
    (tmp_path / "cwd").mkdir(exist_ok=True)
    arguments = [json.dumps([vars(row) for row in rows]), json.dumps(asdict(conf)), str(tmp_path / "study")]
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", IGNORED, "-c", SCRIPT, *arguments],
        cwd=tmp_path / "cwd",
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )


def offline_records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file: 7 bytes, then blocks of 32 KiB with fragments (crc32, length, kind, data)."""
    pb: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield pb.Record.FromString(record)
            record = b""


def test_offline_runs_hold_the_choices_the_curve_and_the_measures(tmp_path: Path) -> None:
    rows = [row(seed) for seed in range(3)]
    answer = in_a_process(rows, OFFLINE, tmp_path)
    assert (answer.stdout, answer.stderr) == ("(0, 3)\n", "")
    assert ledger(tmp_path / "study") == [row.id for row in rows]
    for sent in rows:
        (file,) = tmp_path.glob(f"study/wandb/offline-run-*-{sent.id}/run-{sent.id}.wandb")
        records = list(offline_records(file))
        (run,) = [record.run for record in records if record.HasField("run")]
        assert (run.run_id, run.run_group, run.job_type) == (sent.id, "study", "train")
        assert run.display_name == f"he_normal-resnet20-{sent.choices['seed']}"
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        assert {key: config[key] for key in sent.choices} == sent.choices
        assert [curve_entry(record) for record in records if record.HasField("history")] == sent.curve
        summary = {
            item.key: json.loads(item.value_json)
            for record in records
            if record.HasField("summary")
            for item in record.summary.update
        }
        assert {key: summary[key] for key in sent.measures} == sent.measures
        assert summary["status"] == OK
        assert [record.exit.exit_code for record in records if record.HasField("exit")] == [0]


def curve_entry(record: Any) -> dict[str, Any]:
    items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    assert record.history.step.num == items["epoch"]
    return {"epoch": items["epoch"], "loss": items["loss"]}


def test_the_mirror_leaves_nothing_at_home_nor_where_it_was_started(tmp_path: Path) -> None:
    in_a_process([row(0)], OFFLINE, tmp_path)
    assert ledger(tmp_path / "study") == [row(0).id]
    assert os.listdir(tmp_path / "cwd") == []
    assert os.listdir(tmp_path / "home") == []
    assert os.listdir(tmp_path / "study") == ["wandb"]


def test_online_without_a_key_is_reported_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    answer = in_a_process([row(0), row(1)], ONLINE, tmp_path)
    assert time.monotonic() - began < 10
    assert "no W&B key: run `wandb login` or set WANDB_API_KEY; 2 rows wait, nothing is lost" in answer.stdout
    assert len(answer.stderr.splitlines()) == 1
    assert "no W&B key" in answer.stderr


class Server(ThreadingHTTPServer):
    """As much of a W&B server as a run needs to believe in it; `stuck` never answers to history, `full` refuses it."""

    daemon_threads = True
    stuck = full = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """W&B drops its connections as it leaves."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/graphql":
            self.answer({"data": self.graphql(json.loads(body))})
        elif self.path.endswith("/file_stream"):
            self.take(self.path.split("/")[-2], json.loads(body))
            self.answer({}, status=403 if self.server.full else 200)
        else:
            self.answer({})

    do_GET = do_PUT = do_POST

    def take(self, run: str, stream: dict[str, Any]) -> None:
        if self.server.stuck:
            self.server.released.wait(60)
        lines = stream.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
        self.server.history.setdefault(run, []).extend(json.loads(line) for line in lines)

    def graphql(self, request: dict[str, Any]) -> dict[str, Any]:
        query, variables = request["query"], request.get("variables") or {}
        project = {"id": "P", "name": "initbench", "entity": {"id": "E", "name": "someone"}}
        if "Viewer" in query:
            names = dict.fromkeys(("id", "entity", "username", "email"), "someone")
            return {"viewer": {**names, "flags": "{}", "teams": {"edges": []}}}
        if "ArtifactType" in query:
            return {"project": {"artifact": None}}
        if "CreateArtifact" in query:  # one that is there already, so that nothing is uploaded
            known = {"id": "A", "state": "COMMITTED", "artifactSequence": {"latestArtifact": {"id": "A"}}}
            return {"createArtifact": {"artifact": known}}
        if "RunResumeStatus" in query:
            return {"model": {**project, "bucket": None}}
        if "UpsertBucket" in query:
            bucket = {"id": "R", "name": variables["name"], "config": "{}", "project": project, "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "CreateRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.server.address}/up/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        return {}

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A test prints nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_online_runs_arrive_with_their_curves(tmp_path: Path, server: Server) -> None:
    rows = [row(seed) for seed in range(2)]
    answer = in_a_process(rows, ONLINE, tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY)
    assert (answer.stdout, answer.stderr) == ("(0, 2)\n", "")
    assert server.history.keys() == {row.id for row in rows}
    for sent in rows:
        arrived = [{"epoch": entry["epoch"], "loss": entry["loss"]} for entry in server.history[sent.id]]
        assert arrived == sent.curve
    assert ledger(tmp_path / "study", "online") == [row.id for row in rows]
    assert os.listdir(tmp_path / "home") == []


def test_the_mode_of_conf_wins_over_a_variable_left_in_the_shell(tmp_path: Path, server: Server) -> None:
    online = in_a_process(
        [row(0)], ONLINE, tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY, WANDB_MODE="offline"
    )
    offline = in_a_process([row(0)], OFFLINE, tmp_path, WANDB_MODE="online")
    assert online.stdout == offline.stdout == "(0, 1)\n"
    assert list(server.history) == [row(0).id]
    assert ledger(tmp_path / "study", "offline") == ledger(tmp_path / "study", "online") == [row(0).id]


@pytest.mark.parametrize("conf", [OFFLINE, ONLINE, STUDY], ids=["offline", "online", "study"])
def test_disabled_in_the_shell_wins_over_the_mode_of_conf(tmp_path: Path, conf: Tracking) -> None:
    answer = in_a_process([row(0)], conf, tmp_path, WANDB_MODE="disabled", WANDB_API_KEY=KEY)
    assert "UserError: W&B is off: choose tracking=wandb, and unset WANDB_MODE where it is disabled" in answer.stdout
    assert answer.stderr == ""
    assert not (tmp_path / "study").exists()


# a study as one run of W&B


def tables(folder: Path) -> dict[str, Any]:
    """The tables of the one offline run of a study, by name, as a list of records each."""
    (run,) = folder.glob("wandb/offline-run-*")
    found = {}
    for file in run.glob("files/media/table/*.json"):
        content = json.loads(file.read_text())
        found[file.name.rsplit("_", 2)[0]] = [
            dict(zip(content["columns"], line, strict=True)) for line in content["data"]
        ]
    return found


def test_a_study_is_one_run_with_a_line_for_each_row_and_a_curve_for_each_arm(tmp_path: Path) -> None:
    rows = [row(seed) for seed in range(3)]
    answer = in_a_process(rows, STUDY, tmp_path)
    assert (answer.stdout, answer.stderr) == ("(0, 3)\n", "")
    found = tables(tmp_path / "study")
    wanted = {"optimizer.betas": "[0.9, 0.99]", "test_accuracy": 0.5, "status": "ok", "initializer.scale": 2.0}
    for sent, line in zip(rows, found["runs"], strict=True):
        assert {"id": sent.id, "seed": sent.choices["seed"], "steps": None, **wanted}.items() <= line.items()
    curve = [{"step": entry["epoch"], "lineKey": "he_normal", "lineVal": entry["loss"]} for entry in rows[0].curve]
    assert found["loss_table"] == [{**one, "lineVal": pytest.approx(one["lineVal"])} for one in curve]
    assert os.listdir(tmp_path / "cwd") == os.listdir(tmp_path / "home") == []


def test_a_study_that_grows_goes_on_in_the_same_run_and_repeats_no_row(tmp_path: Path) -> None:
    study = tmp_path / "study"
    files = []
    for count in (1, 3):
        assert in_a_process([row(seed) for seed in range(count)], STUDY, tmp_path).stdout == f"(0, {count})\n"
        assert [line["id"] for line in tables(study)["runs"]] == [row(seed).id for seed in range(count)]
        files.append((sum(path.is_file() for path in study.rglob("*")), (study / "wandb/study-id.txt").read_text()))
    assert len(set(files)) == 1


def test_an_up_to_date_study_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sends: list[int] = []
    monkeypatch.setattr(tracking, "_replay_study", lambda log, *_: sends.append(len(log.rows)))
    failed = replace(row(0), status="failed")
    for rows in ([row(1)], [row(1)], [row(1), failed], [row(1), row(0)], [row(1), row(0)]):
        tracking.mirror_study(log(rows), STUDY, tmp_path)
    assert sends == [1, 2, 2]
    assert tracking.sync(log([row(0), row(1)]), STUDY, tmp_path) == (0, 2)


ONE_OF_TWO = """
import json, sys
from bench.machine.settings import Tracking
from bench.report.analysis.study_log import study_log
from bench.rows import tracking
from bench.rows.store import Store
from bench.schema import Row
store = Store(".", "study")
store.write(Row(**json.loads(sys.argv[1])))
read = lambda: study_log("study", [*store.read().rows.values()])
tracking.mirror_study(read, Tracking(**json.loads(sys.argv[2])), store.folder)
"""


def test_two_processes_that_end_together_leave_the_rows_of_both(tmp_path: Path) -> None:
    """The rows are read once a process has its turn, so the second one sends what the first one did not know."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-c", ONE_OF_TWO, json.dumps(vars(row(n))), json.dumps(asdict(STUDY))] for n in (0, 1)]
    started = [subprocess.Popen(one, env=environment, cwd=tmp_path, stderr=subprocess.PIPE) for one in commands]
    assert [process.communicate(timeout=100)[1] for process in started] == [b"", b""]
    assert sorted(line["id"] for line in tables(tmp_path / "study")["runs"]) == sorted(row(n).id for n in (0, 1))
    assert len(ledger(tmp_path / "study", "offline-study")) == 2


def test_a_study_arrives_online_under_one_id(tmp_path: Path, server: Server) -> None:
    for count in (1, 2):
        rows = [row(seed) for seed in range(count)]
        answer = in_a_process(
            rows, replace(STUDY, mode="online"), tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY
        )
        assert (answer.stdout, answer.stderr) == (f"(0, {count})\n", "")
    ((id, steps),) = server.history.items()
    assert id == (tmp_path / "study/wandb/study-id.txt").read_text()
    assert [step["runs"]["nrows"] for step in steps] == [1, 2]


def test_a_study_waits_where_there_is_no_key(tmp_path: Path) -> None:
    answer = in_a_process([row(0), row(1)], replace(STUDY, mode="online"), tmp_path)
    assert "no W&B key: run `wandb login` or set WANDB_API_KEY; 2 rows wait, nothing is lost" in answer.stdout
    assert len(answer.stderr.splitlines()) == 1


def test_a_key_that_cannot_be_one_is_reported_at_once(tmp_path: Path) -> None:
    answer = in_a_process([row(0)], ONLINE, tmp_path, WANDB_API_KEY="short")
    assert "UserError: no W&B key that could work" in answer.stdout
    assert "1 rows wait, nothing is lost" in answer.stdout


def test_a_server_that_stops_answering_costs_its_limit_and_no_row(tmp_path: Path, server: Server) -> None:
    server.stuck = True
    conf = replace(ONLINE, init_timeout=1.0)
    began = time.monotonic()
    answer = in_a_process([row(0), row(1)], conf, tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY)
    assert time.monotonic() - began < 3 * tracking.limit_s(conf)
    assert answer.returncode == 0
    assert "W&B is off for this process" in answer.stderr
    assert "W&B took 0 rows, 2 wait, nothing is lost" in answer.stdout
    assert not (tmp_path / "study" / "wandb" / "seen-online.txt").exists()


def test_a_server_that_refuses_the_history_leaves_the_row_waiting(tmp_path: Path, server: Server) -> None:
    server.full = True
    answer = in_a_process([row(0)], ONLINE, tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY)
    assert "403 Forbidden" in answer.stderr
    assert "W&B took 0 rows, 1 wait, nothing is lost" in answer.stdout
    server.full = False
    answer = in_a_process([row(0)], ONLINE, tmp_path, WANDB_BASE_URL=server.address, WANDB_API_KEY=KEY)
    assert answer.stdout == "(0, 1)\n"
