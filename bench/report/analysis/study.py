"""A study's rows, summarized as its yaml declares: its question, its margin, its interim looks.

In: rows and the settings of a command. Out: a Summary. Touches: nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bench.report.analysis import coverage, interim
from bench.report.analysis.summary import Summary, checked_margin, summarize
from bench.schema import Row, UserError


def summarize_study(rows: Iterable[Row], settings: Mapping[str, Any], simulated: Iterable[Row] = ()) -> Summary:
    """Summarize rows with the question, the interim looks and the margin of `settings["study"]`.

    A margin that a study names goes before settings["margin"]. `simulated`: rows of `python -m bench coverage`, for the
    note on intervals that do not cover. Raises UserError as `summarize` and `check_study` do.
    """
    study = settings["study"]
    summary = summarize(rows, margin_of(settings), study.get("question") or (), looks_of(study), about=study)
    note = coverage.note(simulated, [one.converged for finding in summary.findings for one in finding.arms])
    return replace(summary, notes=(note,)) if note else summary


def check_study(settings: Mapping[str, Any]) -> None:
    """Raises UserError, before anything is trained, for a margin or looks that no report could use."""
    margin_of(settings)
    looks_of(settings["study"])


def margin_of(settings: Mapping[str, Any]) -> float:
    """The smallest difference that matters, in points at 10,000 test images."""
    named = settings["study"].get("margin")
    margin = settings["margin"] if named is None else named
    if isinstance(margin, bool) or not isinstance(margin, int | float):
        raise UserError(f"study.margin takes a number of points, not {margin!r}; for example study.margin=0.3")
    return checked_margin(margin)


def looks_of(study: Mapping[str, Any]) -> list[int]:
    """The numbers of seeds at which the study declares an interim look; none where it declares none."""
    named = study.get("looks") or []
    if not isinstance(named, list):
        raise UserError(f"study.looks takes a list of numbers of seeds, not {named!r}; for example study.looks=[5,10]")
    return interim.checked(named)
