"""Whether a folder can be written to, and how much room its disk has left.

In: a path. Out: the reason of an error, bytes. Touches: the folder, or the one it would be made in, where it writes a
file without a name and removes it at once.
"""

import os
import shutil
import tempfile
from pathlib import Path

from bench.machine.files import os_reason

PROBE = b"can this be written?\n"


def refusal(folder: Path) -> str:
    """The operating system's reason why a folder cannot be written to; "" where it can."""
    try:
        with tempfile.TemporaryFile(dir=_nearest(folder)) as file:
            file.write(PROBE)
            file.flush()
            os.fsync(file.fileno())  # a full disk or an exceeded quota may raise only here
    except OSError as error:
        return os_reason(error)
    return ""


def free_bytes(folder: Path) -> int | None:
    """How many bytes this user may still write to the disk of a folder; None where the system does not say."""
    try:
        return shutil.disk_usage(_nearest(folder)).free
    except OSError:
        return None


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest existing one above it, in which it would be made."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
