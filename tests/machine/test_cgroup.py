import pytest

from bench.machine import cgroup

NO_LIMIT = 2**63 - 4096  # what version 1 says


@pytest.fixture
def groups(tmp_path):
    """Write the files of control groups, and what /proc says of this process; the two paths to read them."""

    def groups(own, **files):
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        (tmp_path / "own").write_text(own)
        return tmp_path / "cgroup", tmp_path / "own"

    return groups


def test_a_quota_of_version_2_is_in_cores(groups):
    paths = groups("0::/box\n", **{"box/cpu.max": "150000 100000", "box/memory.max": "2147483648"})
    assert cgroup.cores(*paths) == 1.5
    assert cgroup.memory_bytes(*paths) == 2**31


def test_a_quota_of_version_1_is_in_cores(groups):
    files = {"cpu/box/cpu.cfs_quota_us": "50000", "cpu/box/cpu.cfs_period_us": "100000"}
    paths = groups("7:memory:/box\n3:cpu,cpuacct:/box\n", **files, **{"memory/box/memory.limit_in_bytes": "1000000"})
    assert cgroup.cores(*paths) == 0.5
    assert cgroup.memory_bytes(*paths) == 1_000_000


def test_the_smallest_limit_from_the_group_to_the_top_holds(groups):
    files = {"pod/cpu.max": "200000 100000", "pod/box/cpu.max": "300000 100000", "pod/memory.max": "max"}
    paths = groups("0::/pod/box\n", **files, **{"pod/box/memory.max": "4096"})
    assert cgroup.cores(*paths) == 2.0
    assert cgroup.memory_bytes(*paths) == 4096


def test_a_container_that_sees_its_own_group_at_the_top_is_limited_by_it(groups):
    paths = groups("0::/not/to/be/seen\n", **{"cpu.max": "100000 100000"})
    assert cgroup.cores(*paths) == 1.0


def test_a_path_that_leads_out_of_the_groups_reads_nothing_there(groups, tmp_path):
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert cgroup.cores(*groups("0::/..\n", **{"cpu.max": "max 100000"})) is None


@pytest.mark.parametrize("cpu", ["max 100000", "", "nonsense", "100000", "100000 0"])
def test_what_is_no_quota_is_none(groups, cpu):
    assert cgroup.cores(*groups("0::/\n", **{"cpu.max": cpu})) is None


def test_no_limit_of_version_1_is_none_of_cores(groups):
    files = {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}
    paths = groups("2:cpu:/\n4:memory:/\n", **files, **{"memory/memory.limit_in_bytes": str(NO_LIMIT)})
    assert cgroup.cores(*paths) is None
    assert cgroup.memory_bytes(*paths) == NO_LIMIT


@pytest.mark.parametrize("own", ["", "nonsense\n", "::::\n"])
def test_where_the_system_says_nothing_there_is_no_limit(groups, own):
    paths = groups(own)
    assert cgroup.cores(*paths) is None
    assert cgroup.memory_bytes(*paths) is None
    assert cgroup.cores(paths[0] / "none", paths[1] / "none") is None
