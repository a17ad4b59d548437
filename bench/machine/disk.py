"""Whether a folder can be written to, and how much room is left there.

In: a path. Out: words, bytes. Touches: the folder, or the one it will be made in: a file without a name, gone at once.
"""

import os
import shutil
import tempfile
from pathlib import Path

from bench.machine.files import spoken

PROBE = b"can this be written?\n"


def refusal(folder: Path) -> str:
    """Why nothing can be written into a folder, in the operating system's words; "" where it can."""
    try:
        with tempfile.TemporaryFile(dir=_there(folder)) as file:
            file.write(PROBE)
            file.flush()
            os.fsync(file.fileno())  # a full disk or a used up quota may not say so before
    except OSError as error:
        return spoken(error)
    return ""


def free_bytes(folder: Path) -> int | None:
    """What this user may still write to the disk of a folder; None where the system does not tell."""
    try:
        return shutil.disk_usage(_there(folder)).free
    except OSError:
        return None


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that is there, in which it would be made."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
