import os

import pytest

from bench.machine.disk import free_bytes, refusal


def test_a_folder_that_can_be_written_refuses_nothing_and_stays_empty(tmp_path):
    assert refusal(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path):
    assert refusal(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file") == refusal(tmp_path / "file" / "below") == os.strerror(20)


def test_a_disk_that_is_full_is_reported_in_the_systems_words(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(tmp_path) == os.strerror(28)


def test_free_bytes_are_those_of_the_disk_that_the_folder_will_be_on(tmp_path):
    disk = os.statvfs(tmp_path)
    assert free_bytes(tmp_path / "not" / "there") == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.05)


def test_where_the_system_does_not_tell_free_bytes_are_none(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "statvfs", refuse)
    assert free_bytes(tmp_path) is None
