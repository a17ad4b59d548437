import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.catalogue import CONF
from bench.report import Summary
from bench.report.document import Cell, Document, Figure, Prose, Section, Sheet, Table
from bench.report.paper import PAPER
from bench.report.paper.build import Benchmark, Sources, document
from bench.schema import Row, UserError

Make = Callable[..., Summary]
MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


@pytest.fixture(autouse=True)
def no_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure takes a second; those who ask for `drawn` get them."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("bench.report.figures.figures", lambda *_: {})


@pytest.fixture
def drawn() -> None:
    return None


def prose(paper: Document) -> str:
    return "\n".join(block.markdown for block in paper.blocks if isinstance(block, Prose))


def tables(paper: Document) -> dict[str, Table]:
    return {block.name: block for block in (*paper.blocks, *paper.appendix) if isinstance(block, Table)}


def test_a_paper_has_the_sections_of_a_paper_in_order(study: Summary, sources: Sources) -> None:
    headings = re.findall(r"^## (.*)$", prose(document([study], sources)), re.MULTILINE)
    assert headings == [
        "Abstract", "The answer", "What to take", "All initializers", "Block by block", "Rules",
        "Data, models and initializers", "Seeds needed", "Threats to validity", "Conclusion", "Environment and cost",
    ]  # fmt: skip


def test_the_figures_of_the_answer_come_first(study: Summary, sources: Sources, drawn: None) -> None:
    figures = [block.name for block in document([study], sources).blocks if isinstance(block, Figure)]
    assert figures[:2] == ["rates", "differences"]
    assert len(figures) == len(set(figures))


def test_every_anchor_is_there_once_and_every_citation_has_its_reference(study: Summary, sources: Sources) -> None:
    paper = document([study], sources)
    names = [block.name for block in (*paper.blocks, *paper.appendix) if not isinstance(block, Prose)]
    assert len(names) == len(set(names))
    assert set(re.findall(r"\(#ref-(\w+)\)", prose(paper))) == {one.key for one in paper.references}
    assert "zhang2019" in {one.key for one in paper.references}  # the source of an initializer, from its yaml


def test_the_same_rows_in_another_order_make_the_same_paper(study: Summary, sources: Sources, make_study: Make) -> None:
    assert document([make_study(reversed(study.rows))], sources) == document([study], sources)


def test_a_changed_row_changes_the_text_the_tables_and_the_digest(
    study: Summary, sources: Sources, make_study: Make
) -> None:
    before = document([study], sources)
    for row in study.rows:
        if row.choices["initializer"] == "fixup" and row.status == "ok":
            row.measures["test_accuracy"] = 0.95
    after = document([make_study(study.rows)], sources)
    assert prose(after) != prose(before)
    assert tables(after)["results"] != tables(before)["results"]
    assert tables(after)["question"] != tables(before)["question"]
    assert after.digest != before.digest
    assert before.digest in before.footer


def test_every_run_is_in_the_appendix_once_and_a_cell_names_the_runs_it_was_made_of(
    study: Summary, sources: Sources
) -> None:
    found = tables(document([study], sources))
    assert sorted(line[0].text for line in found["runs"].lines) == sorted(row.id for row in study.rows)
    place = found["results"].header.index("accuracy %")
    cells = {(line[2].text, line[3].text): line[place] for line in found["results"].lines}
    mine = {
        row.id for row in study.rows if (row.choices["activation"], row.choices["initializer"]) == ("relu", "fixup")
    }
    assert set(cells["relu", "fixup"].runs) == mine
    assert cells["relu", "fixup"].value == pytest.approx(0.41)


def test_what_is_long_is_in_the_appendix_alone(study: Summary, sources: Sources) -> None:
    paper = document([study], sources)
    shown = {block.name for block in paper.blocks if isinstance(block, Table)}
    assert {"runs", "results", "settings", "cost"} <= set(tables(paper)) - shown
    assert "`tables/runs.csv`" in prose(paper)
    assert "`paper.html`" in prose(paper)


@pytest.fixture
def abacus(row: MakeRow) -> Benchmark:
    """A benchmark with a sentence, a table and a figure."""
    speed = Table("speed", "How fast.", ("law", "rate"), ((Cell("normal"), Cell("7", 7)),))
    parts = (Section("How fast beads move", ("Measured on an abacus.", speed), level=2),)
    rows = [replace(row(seed=seed), study="beads") for seed in range(2)]
    return Benchmark(rows, Sheet((), pd.DataFrame(), {}, parts), (Figure("throughput", "Beads.", "<svg/>", "beads"),))


def test_a_benchmark_makes_a_paper_of_its_own(abacus: Benchmark, sources: Sources) -> None:
    paper = document([], sources, [abacus])
    assert paper.title == "How fast beads move"
    assert [getattr(block, "name", "") for block in paper.blocks] == ["", "throughput", "speed"]
    assert prose(paper) == "Measured on an abacus."
    assert (paper.references, paper.appendix, paper.studies) == ((), (), ("beads",))


def test_a_benchmark_is_a_section_of_a_paper_that_names_it(study: Summary, abacus: Benchmark, sources: Sources) -> None:
    paper = document([study], sources, [abacus])
    assert tables(paper)["speed-beads"].lines == tables(document([], sources, [abacus]))["speed"].lines
    assert "## How fast beads move\n\nMeasured on an abacus." in prose(paper)
    assert paper.studies == ("mine", "beads")
    assert paper.digest != document([study], sources).digest
    assert not [name for name in tables(document([study], sources)) if name.startswith("speed")]


def test_a_template_has_a_title_and_places_parts_of_a_benchmark(
    study: Summary, abacus: Benchmark, sources: Sources, tmp_path: Path
) -> None:
    template = tmp_path / "own.md.j2"
    text = '# Beads and nets\n\nWhy.\n\n{{ place("speed-beads") }}\n{{ measured.beads.sentences | listed }}\n'
    template.write_text(text, encoding="utf-8")
    said = replace(abacus, sheet=replace(abacus.sheet, record={"sentences": ["Fast.", "Very."]}))
    paper = document([study], replace(sources, template=template), [said])
    assert paper.title == "Beads and nets"
    assert [getattr(block, "name", "") for block in paper.blocks] == ["", "speed-beads", ""]
    assert [block.markdown for block in paper.blocks if isinstance(block, Prose)] == ["Why.\n", "Fast. and Very.\n"]


def test_a_failed_run_is_listed_with_its_cause(study: Summary, sources: Sources, make_study: Make, row: object) -> None:
    lost = row("fixup", 9, status="failed")  # type: ignore[operator]
    paper = document([make_study([*study.rows, lost])], sources)
    table = tables(paper)["runs"]
    assert [line[-1].text for line in table.lines if line[0].text == lost.id] == ["boom"]
    assert "1 run did not end and is in no mean" in prose(paper)


def test_two_studies_make_one_paper_with_results_of_each(study: Summary, sources: Sources, make_study: Make) -> None:
    both = [make_study(study.rows, name="one"), make_study(study.rows, name="two", question=[])]
    paper = document(both, sources)
    assert {"results-one", "results-two", "runs-one", "runs-two"} <= set(tables(paper))
    assert "## The answer of one\n" in prose(paper)
    assert "## The answer of two\n" in prose(paper)
    assert paper.studies == ("one", "two")


def test_a_single_arm_with_a_single_run_makes_a_paper_that_says_what_it_cannot(
    sources: Sources, make_study: Make, arm: MakeArm
) -> None:
    text = prose(document([make_study(arm("he_normal", [0.9]), question=[])], sources))
    assert "an arm with a single run has no interval and no test" in text
    assert "nothing to be compared with" in text


def test_a_study_that_always_diverged_makes_a_paper_and_one_without_an_outcome_none(
    sources: Sources, make_study: Make, row: MakeRow
) -> None:
    lost = [row(name, seed, status="diverged") for name in ("he_normal", "fixup") for seed in range(5)]
    assert "neither trains" in prose(document([make_study(lost)], sources))
    with pytest.raises(UserError, match="study mine has no run that ended"):
        document([make_study([row(status="failed")])], sources)


def test_a_template_of_ones_own_asks_for_numbers_by_key(study: Summary, sources: Sources, tmp_path: Path) -> None:
    template = tmp_path / "own.md.j2"
    template.write_text("He: {{ acc.he_normal.resnet20.batch.relu.mean }}.\n")
    assert prose(document([study], replace(sources, template=template))) == "He: 90.67 %.\n"
    template.write_text("He: {{ acc.he_normal.resnet20.batch.rellu }}.\n")
    with pytest.raises(UserError, match=r"the nearest: acc.he_normal.resnet20.batch.relu.*'He: \{\{"):
        document([study], replace(sources, template=template))


def test_names_from_rows_stand_in_the_text_as_they_are(sources: Sources, make_study: Make, arm: MakeArm) -> None:
    name = "a_b*<script>{{ 7 }}"
    paper = document([make_study([*arm(name, [0.9, 0.8]), *arm("b", [0.2, 0.3])], question=[])], sources)
    assert r"a\_b\*\<script\>{{ 7 }}" in prose(paper)
    assert name in {line[0].text for line in tables(paper)["arms"].lines}


def test_all_that_a_paper_is_made_of_travels_in_the_wheel() -> None:
    included = tomllib.loads((CONF.parent / "pyproject.toml").read_text())
    listed = included["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    made = {"paper.pdf", "paper.html", "keys.json", "manifest.json", "notebook.md"}
    needed = {f"paper/{file.name}" for file in PAPER.iterdir() if file.is_file() and file.name not in made}
    assert needed == {name for name in listed if name.startswith("paper/")}
