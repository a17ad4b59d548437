"""`doctor` as it is typed."""

import json
import os
import re

import pytest

from bench import __main__ as door
from bench.commands import doctor
from bench.commands.help import text_of
from bench.machine import environment, peak


@pytest.fixture
def told(tmp_path, monkeypatch, capfd):
    """What `doctor` says in an empty folder, and its exit code; nothing may appear in the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(peak, "matmul", lambda precision, device, threads: {"fp32": 100e9, "bf16": 2000e9}[precision])
    monkeypatch.setattr(peak, "copy", lambda device, threads: 20.5e9)

    def told(*words):
        before = {*tmp_path.iterdir()}
        device = [] if any(word.startswith("device=") for word in words) else ["device=cpu"]
        code = door.main(["doctor", *device, f"cache={tmp_path}", *words])
        assert {*tmp_path.iterdir()} == before
        said = capfd.readouterr()
        return code, said.out, said.err

    return told


def test_it_says_what_the_machine_is_what_is_used_and_why_and_the_ceilings(told, tmp_path):
    code, out, _ = told("threads=2", "processes=1", "precision=bf16")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert any(line.startswith(f"processor {environment.describe()['processor']}") for line in lines)
    assert "device cpu device=cpu is asked for" in lines
    assert "processes 1 processes=1 is asked for" in lines
    assert any(line.startswith("precision bf16 precision=bf16 is asked for") for line in lines)
    assert any(line.startswith("threads 2 threads=2") for line in lines)
    assert "1 thread 100 GFLOP/s 2,000 GFLOP/s 20.5 GB/s" in lines
    assert lines[-1] == "Nothing here would stop a sweep."
    assert all(len(line) <= doctor.WIDTH for line in out.splitlines() if str(tmp_path) not in line)


def test_json_is_strict_and_says_the_same(told):
    def refuse(constant):
        raise ValueError(constant)

    code, out, _ = told("format=json")
    said = json.loads(out, parse_constant=refuse)
    assert code == 0
    assert list(said) == ["machine", "used", "folders", "ceilings", "remarks", "wrong"]
    _, text, _ = told()
    words = " ".join(text.split())
    assert f"{said['machine']['cores']} for this process" in words
    for name, use in said["used"].items():
        assert f"{name} {text_of(use['value'])} {use['because']}" in words
    for name, folder in said["folders"].items():
        assert re.search(rf"{name} can be written, [\d.]+ GB free {folder['path']}", words)
    assert said["ceilings"][0] == {
        "device": "cpu", "threads": 1, "copy_gb_per_second": 20.5,
        "fp32_gflop_per_second": 100.0, "bf16_gflop_per_second": 2000.0,
    }  # fmt: skip


def test_without_ceilings_nothing_is_measured(told, monkeypatch):
    monkeypatch.setattr(peak, "matmul", None)
    code, out, _ = told("ceilings=false", "format=json")
    assert (code, json.loads(out)["ceilings"]) == (0, [])
    assert "GFLOP/s" not in told("ceilings=false")[1]


def test_results_that_cannot_be_written_are_exit_code_1_and_a_sentence(told, tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    code, out, _ = told("results=taken")
    assert code == 1
    sentence = f"{tmp_path}/taken cannot be written: {os.strerror(20)}; choose another folder with results=DIR"
    assert f"wrong: {sentence}" in " ".join(out.split())
    assert "Nothing here would stop a sweep" not in out
    assert json.loads(told("results=taken", "format=json")[1])["wrong"] == [sentence]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("device=tpu", "device=tpu is not here"),
        ("precision=fp16", "precision takes fp32 or bf16 or auto or null, not 'fp16'; did you mean bf16?"),
        ("precision=16", "precision takes fp32 or bf16 or auto or null, not 16"),
        ("ceilings=perhaps", "ceilings takes true or false"),
        ("hydra/launcher=jobli", "did you mean joblib"),
        ("epochs=3", "no key is named 'epochs'"),
        ("format=csv", "there are text and json"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(told, word, sentence):
    code, out, error = told(word)
    assert (code, out) == (2, "")
    assert sentence in error


def test_the_launcher_that_is_asked_for_is_the_one_that_is_told_of(told):
    said = json.loads(told("hydra/launcher=basic", "format=json")[1])
    assert said["used"]["processes"] == {
        "value": 1, "because": "hydra/launcher=basic trains in the process of the sweep itself"
    }  # fmt: skip
    assert {"basic", "joblib"} <= {*said["machine"]["launchers"]}


def test_what_cannot_be_found_out_is_said_in_words():
    unknown = dict.fromkeys(("memory_bytes", "free_memory_bytes", "memory_limit_bytes", "gpus", "quota_cores", "load"))
    unknown |= {
        "git_commit": None,
        "git_dirty": None,
        "processor": "a CPU",
        "flags": [],
        "cores": 1,
        "initbench": "1.0",
    }
    unknown |= {
        "python": "3",
        "platform": "Linux",
        "torch": "2",
        "torch_build": "the CPU alone",
        "launchers": ["basic"],
    }
    lines = dict(doctor.machine(unknown | {"launcher_packages": {"a": None}, "optional": {"b": "1", "c": None}}))
    assert lines["memory"] == lines["GPU"] == doctor.UNKNOWN
    assert lines["cores"] == "1 for this process; how busy they are cannot be found out"
    assert lines["initbench"] == "1.0, in no git checkout"
    assert lines["launchers"] == "basic; not installed: a"
    assert lines["optional"] == "b 1; not installed: c"
    line = doctor.folder({"path": "/p", "refusal": "", "free_bytes": None})
    assert line == ["can be written, free space cannot be found out", "/p"]
    speeds = {"fp32_gflop_per_second": None, "bf16_gflop_per_second": 1e5, "copy_gb_per_second": 1e3}
    line = doctor.ceiling({"device": "cuda", "threads": 1} | speeds)
    assert line == ["GPU", "cannot be measured", "100,000 GFLOP/s", "1,000.0 GB/s"]


def test_a_long_value_leaves_room_for_its_reason():
    long = "x" * doctor.WIDTH
    assert doctor.listed([["name", long, "a reason in a few words"]]) == [f"  name  {long}  a reason in a few words"]


def test_a_container_and_gpus_are_said_in_words():
    assert doctor.cores(8, 1.5, 0.25) == (
        "8 for this process, of which a container's quota leaves 1.5; in the last minute 0.2 threads wanted one"
    )
    assert doctor.memory(10**10, 5 * 10**9, 2 * 10**9) == "10.0 GB, 5.0 GB of it free; 2.0 GB for this container"
    one = {"name": "H100", "memory_bytes": 85 * 10**9, "compute_capability": "9.0"}
    assert doctor.gpus([one]) == "H100, 85.0 GB, compute capability 9.0"
    assert doctor.gpus([]) == "none that torch can use"
