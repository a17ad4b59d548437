"""Loads a dataset as a run does: what conf/ says, with a few changes.

In: names and changes. Out: datasets. Touches: pytest's temporary folder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from bench.parts.dataset.tensors import Dataset
from bench.registry import find

CONF = Path(__file__).parents[3] / "conf" / "dataset"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    def load(name: str, download: bool = False, **changes: Any) -> Dataset:
        chosen = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
        assert isinstance(chosen, dict)
        function: Any = find("dataset", chosen["function"])
        function.cache_clear()  # each load reads anew, as another process would
        arguments = {
            str(key): value for key, value in chosen.items() if key not in ("name", "law", "source", "function")
        }
        dataset = function(tmp_path, download, **arguments | changes)
        assert isinstance(dataset, Dataset)
        return dataset

    return load
