"""Loads a dataset as a run does: what conf/ says, with a few changes.

In: names and changes. Out: datasets. Touches: pytest's temporary folder, a port of this computer.
"""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from omegaconf import OmegaConf

from bench.parts.dataset import tensors
from bench.parts.dataset.tensors import Dataset
from bench.registry import find

CONF = Path(__file__).parents[3] / "conf" / "dataset"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    def load(name: str, download: bool = False, run_seed: int = 0, **changes: Any) -> Dataset:
        chosen = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
        assert isinstance(chosen, dict)
        function: Any = find("dataset", chosen["function"])
        tensors.loaded.cache_clear()  # each load reads anew, as another process would
        tensors.published.cache_clear()
        arguments = {
            str(key): value for key, value in chosen.items() if key not in ("name", "law", "source", "function")
        }
        dataset = function(tmp_path, download, run_seed, **arguments | changes)
        assert isinstance(dataset, Dataset)
        return dataset

    return load


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Serve a folder to this computer alone and return its address: real downloads, without a network."""
    monkeypatch.setenv("no_proxy", "*")
    servers: list[ThreadingHTTPServer] = []

    def serve(folder: Path) -> str:
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))))
        Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
