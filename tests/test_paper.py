"""paper/paper.pdf and its page are what the committed rows say, by the command that their template names."""

import hashlib
import json
import re
import subprocess
import sys

import pytest

from bench.report.paper import PAPER
from bench.rows.store import studies

NOT_KEPT = ("tables", "keys.json")  # files of a paper that git ignores: the command makes them again


def test_the_committed_paper_is_whole_and_of_committed_studies():
    manifest = json.loads((PAPER / "manifest.json").read_text(encoding="utf-8"))
    for name in ("paper.pdf", "paper.html"):
        assert hashlib.sha256((PAPER / name).read_bytes()).hexdigest() == manifest["files"][name]
    assert {*manifest["studies"]} <= {*studies(PAPER.parent / "results")}


@pytest.mark.slow
def test_the_committed_paper_is_made_of_the_committed_rows():
    written = (PAPER / "practice.md.j2").read_text(encoding="utf-8").partition("#}")[0]
    words = " ".join(re.search("`python -m (.*?)`", written, re.DOTALL)[1].split()).split()
    command = [sys.executable, "-m", *words, "check=true"]
    told = subprocess.run(command, cwd=PAPER.parent, capture_output=True, text=True).stderr.splitlines()
    kept = [line for line in told if not any(line.startswith(f"paper/{name}") for name in NOT_KEPT)]
    assert told
    assert kept in ([], ["paper is what the rows say"])
