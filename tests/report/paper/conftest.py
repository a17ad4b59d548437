from collections.abc import Callable, Iterable
from typing import Any

import pytest
from bench.report.paper.study import Study, study_of

from bench.report.paper.build import Sources
from bench.schema import Row

ABOUT = {"name": "mine", "law": "two arms in two blocks", "source": "a test", "question": ["he_normal", "fixup"]}
OPTIONS = {
    "initializer": {
        "he_normal": {"law": "N(0, 2/n_in)", "source": "He et al. 2015, eq. 10"},
        "fixup": {"law": "its own", "source": "Zhang, Dauphin & Ma 2019"},
    }
}


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """A study of rows, as the command `report` makes it; `suffix` as in a paper of several."""

    def make(rows: Iterable[Row], suffix: str = "", **about: Any) -> Study:
        return study_of(rows, {"margin": 0.3, "study": ABOUT | about}, suffix)

    return make


@pytest.fixture
def study(make_study: Callable[..., Study], arm: Callable[..., list[Row]], row: Callable[..., Row]) -> Study:
    """Two blocks: with relu he_normal is far ahead and one run of fixup diverged; with tanh nobody can tell."""
    return make_study(
        [
            *arm("he_normal", [0.9, 0.91, 0.92, 0.9]),
            *arm("fixup", [0.4, 0.42, 0.41]),
            row("fixup", 3, status="diverged"),
            *arm("he_normal", [0.5, 0.9, 0.7, 0.6], activation="tanh"),
            *arm("fixup", [0.8, 0.6, 0.55, 0.9], activation="tanh"),
        ]
    )


@pytest.fixture
def sources() -> Sources:
    """The template and the references of the house, and two initializers that conf/ knows."""
    return Sources(lambda word: OPTIONS.get(word, {}))
