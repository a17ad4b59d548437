import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine import environment

ROOT = Path(__file__).parents[2]
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A checkout with one commit that tracks bench/ and conf/."""
    package = tmp_path / "checkout" / "bench"
    (package.parent / "conf").mkdir(parents=True)
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package.parent / "conf" / "train.yaml").write_text("epochs: 2\n")
    git(package.parent, "init", "--quiet")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "--quiet", "-m", "first")
    return package


def test_the_description_is_json_and_names_versions_machine_and_commit() -> None:
    described = environment.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["python"] == ".".join(map(str, sys.version_info[:3]))
    assert described["cores"] >= 1
    assert described["processor"]
    assert {"torch", "torchvision", "numpy", "hydra-core", "omegaconf", "initbench"} <= described.keys()
    assert {"git_commit", "git_dirty", "platform", "hostname"} <= described.keys()


def test_what_one_task_adds_to_the_description_is_not_in_the_next_one() -> None:
    environment.describe()["device"] = "cpu"
    assert "device" not in environment.describe()


def test_describing_the_environment_imports_no_torch() -> None:
    code = "import sys; from bench.machine import environment; environment.describe(); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


@needs_git
def test_a_clean_checkout_gives_its_commit(package: Path) -> None:
    assert environment.git_state(package) == (git(package, "rev-parse", "HEAD"), False)


@needs_git
@pytest.mark.parametrize("change", ["bench/__init__.py", "bench/new.py", "conf/train.yaml", "conf/model/mine.yaml"])
def test_an_edited_or_added_source_makes_the_checkout_dirty(package: Path, change: str) -> None:
    path = package.parent / change
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    assert environment.git_state(package)[1] is True


@needs_git
def test_new_results_and_notes_leave_the_checkout_clean(package: Path) -> None:
    (package.parent / "results").mkdir()
    (package.parent / "results" / "rows.jsonl").write_text("")
    (package.parent / "notes.md").write_text("")
    assert environment.git_state(package)[1] is False


@needs_git
def test_a_package_inside_a_repository_that_does_not_track_it_has_no_commit(package: Path) -> None:
    installed = package.parent / ".venv" / "lib" / "bench"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert environment.git_state(installed) == (None, None)


@needs_git
def test_git_variables_of_another_repository_do_not_mislead(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(package.parent / "elsewhere" / ".git"))
    assert environment.git_state(package)[0] is not None


@needs_git
def test_a_checkout_without_a_commit_yet_has_none(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    assert environment.git_state(tmp_path) == (None, None)


@needs_git
def test_a_git_that_does_not_answer_costs_the_commit_and_no_more(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(environment, "GIT_TIMEOUT_S", 0.1)
    assert environment.git_state(package) == (None, None)


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_state(environment.HOME) == (None, None)


def test_the_processor_is_read_by_its_name_where_linux_tells_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n")
    assert environment.processor(cpuinfo) == "Some CPU @ 2 GHz"
    assert environment.processor(tmp_path / "none")


HOLD = """
from bench.machine.environment import peak_memory_bytes
before, held = peak_memory_bytes(), bytearray(SIZE)
held[::4096] = b"x" * len(held[::4096])
print(before, peak_memory_bytes() - before)
"""


def test_peak_memory_is_in_bytes_and_not_that_of_the_process_that_started_this_one() -> None:
    size = 200_000_000
    parent = bytearray(2 * size)
    parent[::4096] = b"x" * len(parent[::4096])  # only pages that were written to are held
    code = HOLD.replace("SIZE", str(size))
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, grown = map(int, answer.stdout.split())
    assert before < size
    assert 0.9 * size < grown < 1.2 * size


def test_peak_memory_is_known_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise FileNotFoundError

    with_proc = environment.peak_memory_bytes()
    monkeypatch.setattr(Path, "read_text", refuse)
    assert environment.peak_memory_bytes() >= 0.9 * with_proc


def test_memory_is_in_bytes_all_of_it_and_what_is_free(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n")
    assert environment.memory_bytes(meminfo) == (1_024_000, 409_600)
    meminfo.write_text("MemTotal:       1000 kB\n")
    assert environment.memory_bytes(meminfo) == (1_024_000, None)


def test_all_memory_is_known_where_there_is_no_proc_and_none_where_nothing_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> int:
        raise ValueError(name)

    total, _ = environment.memory_bytes()
    assert environment.memory_bytes(tmp_path / "none") == (total, None)
    monkeypatch.setattr(os, "sysconf", refuse)
    assert environment.memory_bytes(tmp_path / "none") == (None, None)


def test_versions_are_those_installed_and_none_for_the_others() -> None:
    found = environment.versions(["pytest", "a-package-that-nobody-installed"])
    assert found == {"pytest": pytest.__version__, "a-package-that-nobody-installed": None}


def test_a_core_is_free_where_fewer_threads_want_one_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for load, free in ((2.9, True), (3.1, False), (9.0, False), (None, True)):
        monkeypatch.setattr(environment, "load", lambda load=load: load)
        assert environment.has_free_core() == free


@pytest.mark.parametrize(
    ("free", "limit", "left"), [(9, None, 9), (9, 5, 3), (2, 5, 2), (None, 5, 3), (None, None, None), (9, 1, -1)]
)
def test_free_memory_is_within_the_limit_of_a_container(
    monkeypatch: pytest.MonkeyPatch, free: int | None, limit: int | None, left: int | None
) -> None:
    monkeypatch.setattr(environment, "memory_bytes", lambda: (100, free))
    monkeypatch.setattr(environment.cgroup, "memory_bytes", lambda: limit)
    monkeypatch.setattr(environment, "peak_memory_bytes", lambda: 2)
    assert environment.free_memory_bytes() == left
