"""results/README.md is what the committed rows of the benchmarks say."""

import pytest

from bench import __main__ as door
from bench.catalogue import CONF
from bench.commands.paper import TABLES
from bench.rows.store import Store, studies

HOME = CONF.parent
STUDIES = ("speed_avx2", "speed", "throughput", "scale", "coverage")


def test_the_page_is_what_the_report_prints_of_the_committed_rows(monkeypatch, capsys):
    monkeypatch.chdir(HOME)
    assert door.main(["report", f"study={','.join(STUDIES)}", "format=markdown", "output=off"]) == 0
    assert capsys.readouterr().out == (HOME / "results" / "README.md").read_text(encoding="utf-8"), (
        f"python -m bench report study={','.join(STUDIES)} format=markdown output=off > results/README.md"
    )


@pytest.mark.parametrize("study", studies(HOME / "results"))
def test_every_committed_study_without_training_runs_is_on_the_page(study):
    rows = list(Store(HOME / "results", study).read(curves=False).rows.values())
    assert all(row.choices["task"] in TABLES for row in rows) == (study in STUDIES)
