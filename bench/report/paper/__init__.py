"""The paper: a study's rows as a PDF, a page, and tables to take elsewhere."""

from pathlib import Path

# Its templates: beside the package in a checkout, inside it in an installed wheel.
PAPER = next(folder for folder in (up / "paper" for up in Path(__file__).parents[2:4]) if folder.is_dir())
