"""The folder of a paper: all files are made first, then put in place; later they are compared with the rows.

In: a document. Out: files, or what is stale. Touches: the folder it is given, by default paper/generated/.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine.files import read_whole
from bench.report.document import Document, Table
from bench.schema import UserError

MANIFEST = "manifest.json"


def files(document: Document, keys: Mapping[str, str]) -> dict[str, bytes]:
    """Every file of the paper by its path in the folder, the manifest last."""
    from bench.report.paper.page import page
    from bench.report.paper.pdf import pdf
    from bench.report.tables import export

    made = {"paper.html": page(document).encode(), "paper.pdf": pdf(document)}
    for table in (block for block in (*document.blocks, *document.appendix) if isinstance(block, Table)):
        for ending, form in (("csv", export.csv), ("md", export.markdown), ("tex", export.latex)):
            made[f"tables/{table.name}.{ending}"] = form(table).encode()
    made["keys.json"] = _json(dict(keys))
    return {**made, MANIFEST: _json(_manifest(document, made))}


def write(folder: Path, made: Mapping[str, bytes]) -> None:
    """Put the files in their places, and remove those of an earlier paper that this one does not have.

    Raises UserError, with the operating system's reason, when that fails; each file is then the old or the new one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = set(_read_manifest(folder).get("files", ()))
        beside = Path(tempfile.mkdtemp(prefix=".paper-", dir=folder))
        try:
            for name, content in made.items():
                _put(beside / name, content)
            for name in made:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (beside / name).replace(folder / name)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        for name in sorted(earlier - set(made)):
            _remove(folder, name)
    except OSError as error:
        raise UserError(
            f"cannot write the paper in {folder}: {error.strerror or error}; choose another folder with output=DIR"
        ) from error


def stale(folder: Path, document: Document) -> list[str]:
    """How the paper in the folder differs from the document: a sentence for each difference, none where it is current.

    The footer is not compared, for it names the commit and the versions of the process that builds the paper.
    """
    found = _read_manifest(folder)
    if not found:
        return [f"{folder} holds no paper"]
    differences = []
    if found.get("rows") != document.digest:
        differences.append(f"{folder}: its rows are not those of now")
    elif found.get("content") != content(document):
        differences.append(f"{folder}: the same rows now make another text, table or figure")
    for name, digest in sorted(found.get("files", {}).items()):
        if _digest_of(folder / name) != digest:
            differences.append(f"{folder / name} is missing or was changed after it was made")
    return differences


def content(document: Document) -> str:
    """64 hexadecimal digits over all of the paper but its footer."""
    return hashlib.sha256(repr(replace(document, footer="")).encode()).hexdigest()


def _manifest(document: Document, made: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "studies": list(document.studies),
        "rows": document.digest,
        "content": content(document),
        "files": {name: hashlib.sha256(one).hexdigest() for name, one in made.items()},
    }


def _read_manifest(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(read_whole(folder / MANIFEST))
        if isinstance(found, dict) and isinstance(found.get("files"), dict):
            return found
    return {}


def _digest_of(file: Path) -> str:
    try:
        return hashlib.sha256(read_whole(file)).hexdigest()
    except OSError:
        return ""


def _put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _remove(folder: Path, name: str) -> None:
    file = folder / name
    if file.resolve().is_relative_to(folder.resolve()):  # also where a manifest was edited by hand
        file.unlink(missing_ok=True)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
