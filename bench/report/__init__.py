"""The report: rows in; a table, decisions and sentences with intervals out. Imports no torch."""

from bench.report.analysis.frame import frame
from bench.report.analysis.study import summarize_study
from bench.report.analysis.summary import Summary, summarize
from bench.report.tables.summary import sheet
from bench.report.terminal import FORMATS, render

__all__ = ["FORMATS", "Summary", "frame", "render", "sheet", "summarize", "summarize_study"]
