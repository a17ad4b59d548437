"""The origin of a paper: the digest of its rows, their commits, the versions that made the rows and the paper.

In: rows. Out: text. Touches: git, to read.
"""

import hashlib
from collections.abc import Iterable, Sequence

from bench.machine import environment
from bench.report.wording.format import counted, listed
from bench.rows.record import text_of
from bench.schema import Row

MADE_OF = ("initbench", "torch", "numpy")  # of the runs
BUILT_WITH = ("numpy", "scipy", "pandas", "matplotlib", "typst")  # what this process prints and draws with
SHORT = 12  # digits of a commit


def digest(rows: Iterable[Row]) -> str:
    """64 hexadecimal digits over the rows' content, whatever their order and whether they are sealed."""
    lines = sorted({text_of(row) for row in rows})
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def footer(rows: Sequence[Row]) -> str:
    """Digest, commits and versions of the rows; commit and versions of what built the paper. Plain text."""
    here = environment.describe()
    runs = listed(sorted({_state(row.environment.get("git_commit"), row.environment.get("git_dirty")) for row in rows}))
    made = "; ".join(f"{name} {_several(rows, name)}" for name in MADE_OF if _several(rows, name))
    built = ", ".join(f"{name} {version}" for name, version in environment.versions(BUILT_WITH).items() if version)
    return (
        f"{counted(len(rows), 'row')}, sha256 {digest(rows)}; made at {runs} with {made}. "
        f"Built by initbench {here['initbench']} at {_state(here['git_commit'], here['git_dirty'])} with {built}."
    )


def _state(commit: object, dirty: object) -> str:
    if not commit:
        return "an unknown commit"
    return f"commit {str(commit)[:SHORT]}" + {True: " (with changes)", False: " (clean)"}.get(dirty is True, "")


def _several(rows: Iterable[Row], name: str) -> str:
    return ", ".join(sorted({str(row.environment[name]) for row in rows if row.environment.get(name)}))
