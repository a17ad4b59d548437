import sys
from pathlib import Path

import pytest
import torch

from bench import source
from bench.schema import UserError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules into a folder that stands in for the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "pick", raising=False)
    before = {*sys.modules}

    def write(**texts: str) -> None:
        for name in {*sys.modules} - before:
            del sys.modules[name]
        source.source.cache_clear()
        for name, text in texts.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    yield write
    write()


def test_a_library_is_its_version_without_the_device_it_was_built_for():
    import torchvision

    version = torchvision.__version__.partition("+")[0]
    assert source.source("torchvision.models") == f"torchvision {version}"
    assert source.source("sklearn.datasets").startswith("scikit-learn ")
    assert source.source("json").startswith("json of Python 3.")


def test_a_digest_follows_the_modules_that_a_module_imports_and_no_others(write):
    write(pick="import torch, numpy\nfrom pack17 import parts\n", pack17__parts="from . import deep\n")
    write(pack17__deep="def late():\n    import lazy17\n", lazy17="A = 1\n", aside17="A = 1\n")
    first = source.source("pick")
    assert first.startswith("sha256:")
    write(aside17="A = 2\n")
    assert source.source("pick") == first
    write(lazy17="A = 2\n")
    assert source.source("pick") != first


def test_a_digest_is_the_same_wherever_the_folder_lies(write, tmp_path, monkeypatch):
    write(pick="A = 1\n")
    first = source.source("pick")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pick.py").rename(tmp_path / "elsewhere" / "pick.py")
    write()
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert source.source("pick") == first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\ny = undefined\n", "cannot import pick: NameError: name 'undefined' is not defined .*pick.py, line 2"),
        ("def f(:\n", "SyntaxError: invalid syntax .*pick.py, line 1"),
        ("import nowhere17\n", "No module named 'nowhere17' .*pick.py, line 1"),
        ("raise SystemExit(3)\n", "ends Python when it is imported"),
    ],
)
def test_a_module_that_fails_is_named_with_the_place(write, text, sentence):
    write(pick=text)
    with pytest.raises(UserError, match=sentence):
        source.module("pick")


def test_a_module_that_is_not_there_names_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"no module nowhere17, neither on PYTHONPATH nor in .*{tmp_path.name}"):
        source.module("nowhere17.nets")
    with pytest.raises(UserError, match="give a module's name"):
        source.module("nets/mine.py")


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'initbench\[timm\]'"):
        source.module("timm.models")


def test_the_place_of_an_error_is_in_the_file_of_the_user():
    with pytest.raises(UserError, match=f"a test: RuntimeError: .*{Path(__file__).name}, line"):
        fail()


@source.explained("a test")
def fail():
    torch.zeros(2) @ torch.zeros(3)
