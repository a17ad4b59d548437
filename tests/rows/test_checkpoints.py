import json

import pytest

from bench.rows import checkpoints
from bench.rows.checkpoints import KEPT, Checkpoints
from bench.schema import UserError

WITH = {"threads": 1, "torch": "2"}


@pytest.fixture
def ours(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", "0123456789abcdef")


def test_what_is_saved_is_read_and_the_most_steps_come_first(ours):
    for steps in (9, 100):
        ours.save(f"after\n{steps}\n".encode(), steps, WITH)
    newest, older = ours.newest_first(WITH)
    assert (ours.read(newest), ours.read(older)) == (b"after\n100\n", b"after\n9\n")


def test_a_checkpoint_says_what_it_was_made_with_in_its_second_line(ours):
    ours.save(b"content", 1, WITH)
    assert json.loads(ours.newest_first(WITH)[0].read_bytes().splitlines()[1]) == WITH


def test_older_ones_go_only_once_the_new_one_is_safe(ours, monkeypatch):
    for steps in range(KEPT):
        ours.save(b"old", steps, WITH)
    before = ours.newest_first(WITH)

    def full(path, content):
        raise UserError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_whole", full)
        with pytest.raises(UserError, match="disk full"):
            ours.save(b"new", KEPT, WITH)
    assert ours.newest_first(WITH) == before
    ours.save(b"new", KEPT, WITH)
    assert len(ours.newest_first(WITH)) == KEPT
    assert ours.newest_first(WITH)[1:] == before[:-1]


@pytest.mark.parametrize("position", [0, 70, -1])
def test_a_flipped_bit_anywhere_is_seen(ours, position):
    ours.save(b"content" * 10, 1, WITH)
    (path,) = ours.newest_first(WITH)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="cut or damaged"):
        ours.read(path)


@pytest.mark.parametrize("length", [0, 30, 65, 100])
def test_a_torn_checkpoint_is_seen(ours, length):
    ours.save(b"content" * 10, 1, WITH)
    (path,) = ours.newest_first(WITH)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="cut or damaged"):
        ours.read(path)


def test_one_made_with_something_else_is_told_apart_and_left(ours):
    for steps in (50, 100):
        ours.save(b"theirs", steps, WITH | {"threads": 2})
    for steps in range(KEPT + 1):
        ours.save(b"ours", steps, WITH)
    assert len(ours.newest_first(WITH)) == KEPT
    ((path, differences),) = ours.others(WITH).items()
    assert (path.name.split(".")[2], differences) == ("100", ["threads was 2, is 1"])


def test_one_whose_second_line_is_damaged_is_another(ours):
    ours.folder.mkdir()
    (ours.folder / f"{ours.id}.00000000.1.pt").write_bytes(b"\xff\n\xff\n")
    assert list(ours.others(WITH).values()) == [["what it was made with cannot be read"]]


def test_the_end_of_a_run_removes_all_of_its_own_and_nothing_else(ours):
    other = Checkpoints(ours.folder, "f" * 16)
    other.save(b"another run", 1, WITH)
    ours.save(b"mine", 1, WITH)
    ours.save(b"mine", 2, WITH | {"threads": 2})
    (ours.folder / f".{ours.id}.00000000.3.77.abcd.tmp").write_bytes(b"half")
    ours.move_aside(ours.newest_first(WITH)[0])
    ours.remove()
    assert list(ours.folder.iterdir()) == other.newest_first(WITH)
    Checkpoints(ours.folder / "nowhere", ours.id).remove()


def test_what_a_killed_writer_left_goes_with_the_next_checkpoint(ours):
    ours.folder.mkdir()
    (ours.folder / f".{ours.id}.00000000.3.77.abcd.tmp").write_bytes(b"half")
    ours.save(b"mine", 1, WITH)
    assert list(ours.folder.iterdir()) == ours.newest_first(WITH)
