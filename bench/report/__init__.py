"""The report: rows in; a table, decisions and sentences with intervals out. Imports no torch."""

from bench.report.analysis.frame import frame
from bench.report.analysis.study import check_study, summarize_study
from bench.report.analysis.summary import Summary, summarize
from bench.report.terminal import FORMATS, pairs_csv, render

__all__ = ["FORMATS", "Summary", "check_study", "frame", "pairs_csv", "render", "summarize", "summarize_study"]
