import errno
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bench.launch import doctor
from bench.launch.decisions import ChosenLauncher, Decision
from bench.launch.doctor import Ceilings, Folder
from bench.machine import cgroup, environment, peak
from bench.machine.settings import Settings

LAUNCHER = ChosenLauncher("basic", {"_target_": "basic_launcher.BasicLauncher"}, ["basic"])
FINE = Folder("/somewhere", "", 10**12)


@pytest.fixture
def cores(monkeypatch):
    """A machine of so many cores, and a container's quota."""

    def cores(count, quota=None):
        about = environment.describe() | {"cores": count}
        monkeypatch.setattr(environment, "describe", lambda: about)
        monkeypatch.setattr(cgroup, "cores", lambda: quota)

    return cores


@pytest.fixture
def broken_gpu(monkeypatch):
    def fail(index):
        raise RuntimeError("CUDA error: unknown error\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)


def test_the_machine_is_told_as_the_environment_of_a_row_tells_it():
    told, about = doctor.machine(LAUNCHER), environment.describe()
    same = ("processor", "cores", "platform", "python", "torch", "initbench", "git_commit", "git_dirty")
    assert {name: told[name] for name in same} == {name: about[name] for name in same}
    assert told["launchers"] == ["basic"]
    assert told["optional"]["pytest-benchmark"]


def test_each_gpu_has_a_name_its_memory_and_its_compute_capability(monkeypatch):
    properties = SimpleNamespace(name="H100", total_memory=80 * 10**9, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    one = {"name": "H100", "memory_bytes": 80 * 10**9, "compute_capability": "9.0"}
    assert doctor.machine(LAUNCHER)["gpus"] == [one, one]


def test_what_cannot_be_found_out_is_none_and_stops_nothing(broken_gpu, monkeypatch):
    def refuse():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)
    monkeypatch.setattr(environment, "memory_bytes", lambda: (None, None))
    told = doctor.machine(LAUNCHER)
    assert [told[name] for name in ("gpus", "load", "memory_bytes", "free_memory_bytes")] == [None] * 4


@pytest.mark.parametrize(("limit", "told"), [(None, None), (2**63 - 4096, None), (10**9, 10**9), (2 * 10**9, None)])
def test_a_containers_memory_is_told_where_it_is_less_than_the_machines(monkeypatch, limit, told):
    monkeypatch.setattr(cgroup, "memory_bytes", lambda: limit)
    assert doctor.memory_limit(2 * 10**9) == told


def test_folders_are_those_of_the_settings(configuration, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").write_text("a file")
    found = doctor.folders(
        Settings.read(configuration | {"results": "results", "data": "/nowhere/data", "cache": "cache"})
    )
    assert {name: one.path for name, one in found.items()} == {
        "results": f"{tmp_path}/results", "data": "/nowhere/data", "cache": f"{tmp_path}/cache"
    }  # fmt: skip
    assert found["results"].refusal == ""
    assert found["results"].free_bytes > 0
    assert found["cache"].refusal == os.strerror(errno.ENOTDIR)


@pytest.fixture
def wrong(settings):
    def wrong(download=False, **folders):
        there = {"results": FINE, "data": FINE, "cache": FINE} | folders
        return doctor.wrong(replace(settings, download=download), there)

    return wrong


def test_results_that_cannot_be_written_or_find_no_room_are_wrong(wrong):
    assert wrong() == []
    assert wrong(results=Folder("/somewhere", "", None)) == []  # nobody knows how much room there is
    (refused,) = wrong(results=Folder("/somewhere", "Permission denied", 10**12))
    assert refused == "/somewhere cannot be written: Permission denied; choose another folder with results=DIR"
    (full,) = wrong(results=Folder("/somewhere", "", 5 * 10**6))
    assert full.startswith("5 MB are free on the disk of /somewhere")
    assert "make room" in full


def test_data_that_cannot_be_written_are_wrong_only_where_they_are_to_be_fetched(wrong):
    refused = Folder("/somewhere", "Permission denied", 10**12)
    assert wrong(data=refused, cache=refused) == []
    assert wrong(data=refused, download=True) == [
        "/somewhere cannot be written: Permission denied; choose another folder with data=DIR"
    ]


@pytest.fixture
def remarks(settings):
    def remarks(processes=1, threads=1, device="cpu", cache=FINE):
        use = {"device": Decision(device, ""), "processes": Decision(processes, "")}
        return doctor.remarks(replace(settings, threads=threads), use, {"cache": cache})

    return remarks


@pytest.mark.parametrize(
    ("processes", "threads", "quota", "advice"),
    [
        (4, 1, None, ""),
        (2, 2, None, ""),
        (4, 2, None, "on 4 cores; write processes=2 threads=2"),
        (1, 8, None, "on 4 cores; write processes=1 threads=4"),
        (4, 1, 2.5, "on the 2.5 cores of this container's quota; write processes=2 threads=1"),
        (1, 1, 0.5, ""),
        (8, 1, 9.0, "on 4 cores; write processes=4 threads=1"),
        ("as launched", 8, None, ""),
    ],
)
def test_more_threads_than_cores_or_than_a_containers_quota_are_remarked_on(
    remarks, cores, processes, threads, quota, advice
):
    cores(4, quota)
    found = remarks(processes, threads)
    assert [one.partition("wait for each other ")[2] for one in found] == ([advice] if advice else [])


def test_processes_that_train_on_gpus_are_not_counted_against_the_cores(remarks, cores):
    cores(1)
    assert remarks(8, 8, device="cuda") == []


def test_gpus_that_torch_cannot_use_are_remarked_on(remarks, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    (told,) = remarks()
    assert told.startswith("torch, built for the CPU alone, can use none of the GPUs")
    assert "(2); install a build of torch" in told


def test_a_cache_that_cannot_be_written_is_remarked_on_and_stops_nothing(remarks, wrong):
    refused = Folder("/somewhere", "Permission denied", 10**12)
    (told,) = remarks(cache=refused)
    assert "each sweep would measure anew, so choose another folder with cache=DIR" in told
    assert wrong(cache=refused) == []


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the ceilings, which then answer at once."""
    asked = []

    def matmul(precision, device, threads):
        asked.append((precision, device, threads))
        return 3e9

    def copy(device, threads):
        raise MemoryError

    monkeypatch.setattr(peak, "matmul", matmul)
    monkeypatch.setattr(peak, "copy", copy)
    return asked


def test_ceilings_are_measured_with_one_thread_and_with_all_cores(cores, asked):
    cores(4, 2.5)
    one, two = doctor.measured("cpu")
    assert asked == [(precision, "cpu", threads) for threads in (1, 2) for precision in ("fp32", "bf16")]
    assert one == Ceilings("cpu", 1, 3.0, 3.0, None)  # billions; what cannot be measured is None
    assert two.threads == 2


def test_one_core_is_measured_once_and_a_gpu_before_it(cores, asked):
    cores(1)
    assert [(one.device, one.threads) for one in doctor.measured("cuda")] == [("cuda", 1), ("cpu", 1)]
