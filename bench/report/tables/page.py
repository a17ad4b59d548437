"""The rows of a benchmark as a section of a markdown page: heading, parts, origin.

In: rows, parts. Out: a Section. Touches: nothing.
"""

from collections.abc import Iterable

from bench.report.document import Part, Section
from bench.report.wording.format import counted, listed
from bench.schema import Row

COMMIT = 12  # digits of it


def page(title: str, rows: Iterable[Row], *parts: Part) -> tuple[Section]:
    """The parts under a heading that names the study, then a sentence on the rows: their number, version and commit."""
    rows = list(rows)
    names = listed(sorted({row.study for row in rows}))
    versions = listed(sorted({_version(row) for row in rows} - {""}))
    origin = f"{counted(len(rows), 'row')}{f', measured with {versions}' if versions else ''}; "
    again = f"`python -m bench report study={names} format=markdown` prints this section from them."
    return (Section(f"{title} (study {names})", (*parts, origin + again), level=2),)


def _version(row: Row) -> str:
    version, commit = (row.environment.get(key) for key in ("initbench", "git_commit"))
    return f"initbench {version}{f' at commit {commit[:COMMIT]}' if commit else ''}" if version else ""
