"""The pages of a paper as they are printed: their number, how full they are, and no mark of Markdown on them."""

import html
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import typst
from matplotlib.image import imread

from bench.report import Summary
from bench.report.document import Cell, Document, Figure, Prose, Table
from bench.report.figures.style import FULL
from bench.report.paper.build import Sources, document
from bench.report.paper.page import page
from bench.report.paper.pdf import inputs, pdf
from bench.report.statistics import Array
from bench.schema import Row

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><path d="M 0 0 L 72 36"/></svg>'
MODELS, NORMS, ACTIVATIONS = ("plain14", "resnet20"), ("batch", "none"), ("relu", "tanh")
ARMS = ("glorot_uniform", "he_normal", "tf_contrib_variance_scaling", "tf_variance_scaling", "torch_default")
TOP, HEIGHT = 22, 297  # mm: of the margins and of a page


def printed(paper: Document) -> list[Array]:
    """Each page in grey, a point to a pixel: 1 is white."""
    made = typst.compile(**inputs(paper), format="png", ppi=72)
    return [imread(io.BytesIO(one))[..., :3].mean(axis=2) for one in (made if isinstance(made, list) else [made])]


def gap(one: Array) -> float:
    """The highest stripe of a page without ink between its margins, as a share of what is between them."""
    top, bottom = (round(place / HEIGHT * len(one)) for place in (TOP, HEIGHT - TOP))
    inked = [top, *(top + np.flatnonzero((one[top:bottom] < 0.9).any(axis=1))), bottom]
    return float(np.diff(inked).max() / (bottom - top))


@pytest.fixture
def make(row: Callable[..., Row], make_study: Callable[..., Summary], sources: Sources) -> Callable[..., Document]:
    """The paper of a study with these models and arms, ten seeds and curves; without normalization one arm stalls."""

    def made(models: tuple[str, ...], arms: tuple[str, ...]) -> Document:
        draw = np.random.default_rng(0)
        rows = []
        for model, norm, activation, arm, seed in product(models, NORMS, ACTIVATIONS, arms, range(10)):
            stalls = norm == "none" and arm == arms[-1] and seed < 8
            reached = 0.1 if stalls else round(float(draw.normal(0.97, 0.005)), 4)
            choices = {"model": model, "normalization": norm, "activation": activation}
            curve = [{"epoch": epoch, "validation_accuracy": reached * (1 - 0.5**epoch)} for epoch in range(1, 7)]
            rows.append(replace(row(arm, seed, reached, **choices), curve=curve))
        summary = make_study(rows, question=list(arms[:2]), looks=[5, 10, 20, 40])
        note = "Simulated; `python -m bench report study=coverage` has *all* cases of a_b."
        return document([replace(summary, notes=(note,))], sources)

    return made


@pytest.mark.parametrize(
    ("models", "arms", "least", "most"), [(MODELS, ARMS, 6, 8), (MODELS[1:], ARMS[:3], 5, 8)], ids=["large", "small"]
)
def test_a_paper_is_of_a_few_pages_and_all_but_the_last_are_full(
    make: Callable[..., Document], models: tuple[str, ...], arms: tuple[str, ...], least: int, most: int
) -> None:
    found = printed(make(models, arms))
    assert least <= len(found) <= most
    assert all(gap(one) < 0.2 for one in found[:-1])


def test_no_mark_of_markdown_or_of_a_formula_is_printed(make: Callable[..., Document], tmp_path: Path) -> None:
    paper = make(MODELS[:1], ARMS[:2])
    text = html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page(paper), flags=re.DOTALL))
    if reader := shutil.which("pdftotext"):
        (tmp_path / "paper.pdf").write_bytes(pdf(paper))
        command = [reader, str(tmp_path / "paper.pdf"), "-"]
        text += subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "python -m bench report study=coverage" in text
    assert not re.findall(r".{0,20}(?:`|\$|\*\*|lambda|delta).{0,20}", text)


@pytest.mark.parametrize("columns", [3, 12, 40])
def test_nothing_is_wider_than_the_text(columns: int) -> None:
    cells = tuple(Cell("98.1 [97.4, 98.7]") for _ in range(columns))
    table = Table("t", "A wide one.", tuple(f"a_long_name_{place}" for place in range(columns)), (cells,) * 30)
    long = Prose("The whole width of the text is needed for a paragraph that runs over more than one line. " * 3)
    for one in printed(Document("", (long, table, Figure("f", "", SVG, "")), (), "footer " * 60)):
        inked = np.flatnonzero((one < 0.9).any(axis=0)) / one.shape[1] * 210
        assert inked[0] >= (210 - FULL) / 2 - 0.5
        assert inked[-1] <= (210 + FULL) / 2 + 0.5
