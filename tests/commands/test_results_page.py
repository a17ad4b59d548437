"""results/README.md is what the committed rows say."""

from bench import __main__ as door
from bench.catalogue import CONF
from bench.rows.store import studies

HOME = CONF.parent
STUDIES = (
    "practice_digits_resnet20",
    "practice_digits_plain14",
    "practice_fashion_mnist",
    "practice_cifar10_jpeg",
    "practice_he_or_xavier",
    "practice_cifar10_jpeg_he",
    "practice_signal",
    "confirmation",
    "question",
    "error_rates",
    "coverage",
    "speed_avx2",
    "speed",
    "speed_default_step",
    "throughput",
    "probe_error_rates",
    "scale",
)


def test_the_page_is_what_the_report_prints_of_the_committed_rows(monkeypatch, capsys):
    monkeypatch.chdir(HOME)
    assert door.main(["report", f"study={','.join(STUDIES)}", "format=markdown", "output=off"]) == 0
    assert capsys.readouterr().out == (HOME / "results" / "README.md").read_text(encoding="utf-8"), (
        f"python -m bench report study={','.join(STUDIES)} format=markdown output=off > results/README.md"
    )


def test_every_committed_study_is_on_the_page():
    assert set(studies(HOME / "results")) == set(STUDIES)


def test_the_page_of_the_claims_is_what_their_rows_say(monkeypatch, capsys):
    monkeypatch.chdir(HOME)
    assert door.main(["reproduce", "tier=cpu", "format=markdown"]) == 0
    page = (HOME / "results" / "claims" / "README.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, (
        "python -m bench reproduce tier=cpu format=markdown > results/claims/README.md"
    )
