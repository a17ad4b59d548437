"""The report: rows become findings, findings become sentences, tables, figures and a paper. Imports no torch.

Read statistics, analysis, wording, tables, figures, paper in this order: each imports only what stands before it.
"""

from bench.report.analysis.frame import frame
from bench.report.analysis.study import summarize_study
from bench.report.analysis.summary import Summary, summarize
from bench.report.tables.summary import sheet
from bench.report.terminal import FORMATS, render

__all__ = ["FORMATS", "Summary", "frame", "render", "sheet", "summarize", "summarize_study"]
