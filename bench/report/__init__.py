"""The report: rows in; a table, decisions and sentences with intervals out. Imports no torch."""

from bench.report.frame import frame
from bench.report.render import FORMATS, pairs_csv, render
from bench.report.study import check_study, summarize_study
from bench.report.summary import Summary, summarize

__all__ = ["FORMATS", "Summary", "check_study", "frame", "pairs_csv", "render", "summarize", "summarize_study"]
