import errno
import os
import socket

import pytest

from bench.machine.files import names_in, os_reason, read_whole, remove, write_whole
from bench.schema import UserError


@pytest.mark.parametrize("content", ["σ = 1\n", b"\x00\xff"])
def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path, content):
    path = tmp_path / "new folder" / "file"
    for written in ("before", content):
        write_whole(path, written)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names_in(path.parent) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_earlier_file_and_no_other(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    write_whole(path, "before")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (type(path), "replace")), full)
    with pytest.raises(
        UserError, match=r"cannot write file in .*: No space left on device; what was there is untouched"
    ):
        write_whole(path, "after")
    assert path.read_text() == "before"
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_read_has_no_names(tmp_path):
    assert names_in(tmp_path / "none") == []


def test_files_are_removed_and_those_that_cannot_be_are_passed_over(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    remove(tmp_path / name for name in ("none", "folder", "file"))
    assert names_in(tmp_path) == ["folder"]


def test_the_reason_is_in_the_systems_words_or_in_those_of_the_error():
    assert os_reason(OSError(errno.EACCES, "Permission denied")) == "Permission denied"
    assert os_reason(OSError("the server is away")) == "the server is away"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_read_and_does_not_hang(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(OSError, match=r"directory|not a regular file"):
        read_whole(tmp_path / "odd")


def test_a_socket_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind("odd")
        with pytest.raises(OSError, match="No such device"):
            read_whole(tmp_path / "odd")


def test_a_link_to_a_file_is_read_as_the_file(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_whole(tmp_path / "link") == b"content"
