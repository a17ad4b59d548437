import pytest

from bench import catalogue
from bench.report.paper import PAPER
from bench.report.paper.references import Bibliography
from bench.schema import UserError

BIB = """% comment
@article{he2015,
  author = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing},
  title = {Delving_deep},
  journal = {ICCV},
  year = {2015},
  eprint = {1502.01852},
}

@misc{de2020,
  author = {De, Soham and Smith, Samuel L.},
  title = {Biases},
  year = {2020},
}
"""


def test_a_citation_links_to_the_list_and_only_what_is_cited_is_listed() -> None:
    bibliography = Bibliography(BIB)
    assert bibliography.cite("he2015") == "([He et al. 2015](#ref-he2015))"
    (reference,) = bibliography.cited()
    assert reference.key == "he2015"
    assert reference.markdown == (
        r"Kaiming He, Xiangyu Zhang and Shaoqing Ren (2015). Delving\_deep. *ICCV*. "
        "[arXiv:1502.01852](https://arxiv.org/abs/1502.01852)."
    )


def test_an_author_can_be_part_of_the_sentence() -> None:
    assert Bibliography(BIB).author("de2020") == r"[De \& Smith (2020)](#ref-de2020)"


def test_references_are_listed_by_author() -> None:
    bibliography = Bibliography(BIB)
    bibliography.cite("he2015", "de2020")
    assert [one.key for one in bibliography.cited()] == ["de2020", "he2015"]


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no reference is named 'he2051'; did you mean he2015"):
        Bibliography(BIB).cite("he2051")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BIB.replace("  year = {2020},\n", ""), "de2020 has no year"),
        (BIB.replace("  year = {2020},\n}", "  year = {2020}}"), "does not end"),
        (BIB + BIB, "stands twice"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Bibliography(text)


def test_the_sources_in_conf_find_their_papers() -> None:
    bibliography = Bibliography((PAPER / "references.bib").read_text())
    sources = " ".join(str(option["source"]) for option in catalogue.options("initializer").values())
    named = bibliography.cite_named(sources)
    assert len(named) > 20
    assert any("Zhang, Dauphin" in one for one in named)
