"""Files that are written whole or not at all, and read only if they are files.

In: a path, a content. Out: the file, or its content. Touches: the folder of the path.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from bench import failpoint
from bench.schema import UserError


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace the file in one step that no kill or power cut can split.

    Raises UserError with the operating system's reason when the write fails; the earlier file is then unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        failpoint.reach("before_write")
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            failpoint.reach("after_write")
            os.fsync(file.fileno())
        failpoint.reach("after_sync")
        temporary.replace(path)
        failpoint.reach("after_replace")
    except OSError as error:
        raise UserError(
            f"cannot write {path.name} in {path.parent}: {os_reason(error)}; what was there is untouched. "
            "Make room, or choose another folder with results=DIR"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, open for reading within this context.

    Raises OSError for anything but a regular file, such as a FIFO, where `open` would wait until somebody writes to it.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        yield file


def read_whole(path: Path) -> bytes:
    """The content of a file. Raises OSError as `opened` does."""
    with opened(path) as file:
        return file.read()


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none where it cannot be read."""
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def remove(paths: Iterable[Path]) -> None:
    """Delete files; one that is gone or cannot be deleted is passed over."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def os_reason(error: OSError) -> str:
    """The operating system's reason for an error."""
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut; on a file system that cannot, the file is whole all the same."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
