"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from statebake.errors import Code, StatebakeError


def replace_file(path: Path, content: bytes) -> None:
    """Let ``path`` have ``content``: written beside it, then put in its place with the modes of a usual file.

    A symbolic link stays one, and what it leads to is replaced. What is there and is no regular file, a device say, is
    written to.
    """
    if _is_written_to(path):
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
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)


def try_output(path: Path) -> None:
    """Raise as ``write_output`` would, before there is anything to write; what is at ``path`` stays."""
    with _output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_written_to(path):
            real = Path(os.path.realpath(path))
            with tempfile.NamedTemporaryFile(prefix=f".{real.name}.", dir=real.parent):
                pass


def _is_written_to(path: Path) -> bool:
    return path.exists() and (not path.is_file() or path.is_relative_to("/dev"))


@contextlib.contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"{path.name} cannot be written: {error.strerror or error}.",
            where=str(path),
            next_step="name another file",
        ) from error
