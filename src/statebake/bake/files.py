"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from statebake.errors import Code, StatebakeError


def replace_file(path: Path, content: bytes) -> None:
    """Let ``path`` have ``content``: written beside it, then put in its place with the modes of a usual file.

    A symbolic link stays one, and what it leads to is replaced. What is there and is no regular file, a device say, is
    written to.
    """
    if path.exists() and (not path.is_file() or path.is_relative_to("/dev")):
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        umask = os.umask(0)
        os.umask(umask)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask
        Path(beside).chmod(mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user named, as ``replace_file`` does; raises ``StatebakeError`` (``OUTPUT_FAILED``)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"{path.name} cannot be written: {error.strerror or error}.",
            where=str(path),
            next_step="name another file",
        ) from error
