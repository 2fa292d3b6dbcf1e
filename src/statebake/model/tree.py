"""Walking a key directory, and the digest of what it holds.

The digest is ``sha256:`` and the SHA-256 of what ``sha256sum`` prints for every file but the record, sorted bytewise by
relative path. It knows nothing of times, owners, modes or empty directories, because wheels and PEXes carry none.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME, STATE_NAME
from statebake.model.units import show_bytes

_CHUNK = 1 << 20
MAX_DEPTH = 200
SPARSE_BYTES = 1 << 30
"""A smaller sparse file is read like any other: its zeros cost little."""


@dataclass(frozen=True)
class TreeSummary:
    """What a key directory holds.

    Attributes:
        digest: ``sha256:…`` of the content, as above.
        files: how many files, the record not counted.
        bytes: their sizes together.
        empty: why this is no content, or ``None``: no ``state``, or an empty marker with nothing beside it.
    """

    digest: str
    files: int
    bytes: int
    empty: str | None


@dataclass(frozen=True)
class TreeFile:
    """One regular file of a key directory: its ``/``-separated relative path, where to read it, its size in bytes."""

    path: str
    source: Path
    size: int


@dataclass(frozen=True)
class TreeEntry:
    """A file or directory that a walk came across.

    Attributes:
        path: its ``/``-separated relative path.
        source: where it is.
        status: its status; that of what it points to, for a link.
        is_link: it is itself a symbolic link.
        linked: it is one, or was reached through one.
    """

    path: str
    source: Path
    status: os.stat_result
    is_link: bool
    linked: bool


def list_files(root: Path, real: str | None = None) -> list[TreeFile]:
    """Return every file under ``root`` but the record, sorted bytewise by relative path.

    ``real`` is ``os.path.realpath(root)``, where the caller knows it: finding it costs more than a small directory.
    Symbolic links that stay inside ``root`` are followed and count as files. Raises ``StatebakeError``
    (``FOREIGN_FILE``) for any other link, a device, a socket, a FIFO, a large sparse file, or a name that cannot be
    digested.
    """
    return sort_files(
        TreeFile(entry.path, entry.source, entry.status.st_size)
        for entry in walk(root, real)
        if stat.S_ISREG(entry.status.st_mode)
    )


def sort_files(files: Iterable[TreeFile]) -> list[TreeFile]:
    """Return ``files`` without the record, in the order in which they are digested."""
    return sorted((file for file in files if file.path != RECORD_NAME), key=lambda file: os.fsencode(file.path))


def summarize(files: Iterable[tuple[str, int, Callable[[], BinaryIO] | str]], *, state_is_dir: bool) -> TreeSummary:
    """Return the summary of ``files``: (relative path, size, opener or SHA-256), sorted as ``list_files`` sorts.

    Works on anything that can be opened, so that a work tree and an archive are digested by the same code; what can be
    read only once, and in its own order, comes with the SHA-256 of each file, in hexadecimal.
    """
    total = hashlib.sha256()
    count = size = 0
    state_size: int | None = None
    in_state = beside = 0
    for path, file_size, content in files:
        total.update(_checksum_line(path, content if isinstance(content, str) else _sha256(content)))
        count += 1
        size += file_size
        if path == STATE_NAME:
            state_size = file_size
        elif path.startswith(STATE_NAME + "/"):
            in_state += 1
        elif file_size:
            beside += 1
    empty = None
    if state_size is None and not in_state:
        empty = "its `state` is an empty directory" if state_is_dir else "it has no `state`"
    elif state_size == 0 and not beside:
        empty = "its `state` is an empty marker with no content beside it"
    return TreeSummary(digest=f"sha256:{total.hexdigest()}", files=count, bytes=size, empty=empty)


def go_on() -> None:
    """Say, to work that is long and asks whether it is to stop, that it is not; others say so by raising."""


def read_each(files: Sequence[TreeFile], pulse: Callable[[], None] = go_on) -> Iterator[str]:
    """Read files and yield the SHA-256 of each, in hexadecimal; raises ``OSError``, and what ``pulse`` raises."""
    for file in files:
        yield _sha256(partial(_open, file), pulse)


def _open(file: TreeFile) -> BinaryIO:
    return file.source.open("rb")


def summarize_dir(
    root: Path,
    files: Sequence[TreeFile] | None = None,
    read: Callable[[Sequence[TreeFile]], Iterable[str]] = read_each,
) -> TreeSummary:
    """Return the summary of the key directory ``root``; raises as ``list_files`` does, and ``OSError``.

    ``files`` are those of ``root``, where the caller has listed them already. ``read`` reads each of them, once, and
    returns the SHA-256 of each, in the same order.
    """
    files = list_files(root) if files is None else files
    return summarize(
        ((file.path, file.size, sha256) for file, sha256 in zip(files, read(files), strict=True)),
        state_is_dir=(root / STATE_NAME).is_dir(),
    )


def walk(root: Path, real: str | None = None) -> Iterator[TreeEntry]:
    """Yield everything under ``root``, a directory before what is in it, without reading any file.

    Raises ``StatebakeError`` and ``OSError`` as ``list_files`` does.
    """
    return _walk(root, "", real or os.path.realpath(root), (), linked=False)


def _walk(directory: Path, prefix: str, real: str, above: tuple[str, ...], *, linked: bool) -> Iterator[TreeEntry]:
    if len(above) > MAX_DEPTH:
        raise _foreign(directory.parent, f"a tree of more than {MAX_DEPTH} levels")
    if real in above:
        raise _foreign(directory, "a symbolic link that leads back to one of its own parents")
    above = (*above, real)
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        _check_name(entry.name, path)
        status = entry.stat(follow_symlinks=False)
        is_link = stat.S_ISLNK(status.st_mode)
        target = f"{real}/{entry.name}"
        if is_link:
            target, status = _follow(path, above[0])
        if stat.S_ISREG(status.st_mode):
            if _is_sparse(path, status):
                raise _foreign(path, f"a sparse file of {show_bytes(status.st_size)}, most of which was never written")
        elif not stat.S_ISDIR(status.st_mode):
            raise _foreign(path, _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file"))
        yield TreeEntry(prefix + entry.name, path, status, is_link=is_link, linked=linked or is_link)
        if stat.S_ISDIR(status.st_mode):
            inside = prefix + entry.name + "/"
            yield from _walk(path, inside, target, above, linked=linked or is_link)


def _follow(link: Path, real_root: str) -> tuple[str, os.stat_result]:
    """Return where ``link`` ends, and what is there; a link that does not end inside of ``real_root`` is foreign."""
    target = os.path.realpath(link)
    try:
        status = link.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _foreign(link, "a loop of symbolic links, which lead back to themselves") from error
        if _leaves(target, real_root):
            raise _leaving(link) from error
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            raise _foreign(link, "a symbolic link to nothing") from error
        raise
    if _leaves(target, real_root):
        raise _leaving(link)
    return target, status


def _leaves(target: str, real_root: str) -> bool:
    return not (target + os.sep).startswith(real_root + os.sep)


def _leaving(link: Path) -> StatebakeError:
    return _foreign(link, f"a symbolic link that leaves the key directory, to {link.readlink()}")


def _is_sparse(path: Path, status: os.stat_result) -> bool:
    """Return whether more than half of a large file is a hole.

    Few blocks alone may be compression, or data that the file system has not placed yet: then there is no hole.
    """
    if status.st_size <= SPARSE_BYTES or status.st_blocks * 512 >= status.st_size / 2:
        return False
    if not hasattr(os, "SEEK_HOLE"):
        return True
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_HOLE) < status.st_size
    except OSError:
        return True
    finally:
        os.close(descriptor)


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def _check_name(name: str, path: Path) -> None:
    if name.isascii() and name.isprintable():
        return
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _foreign(path, "a file whose name is not UTF-8, which archives cannot carry") from None
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise _foreign(path, "a file with a control character in its name")


def _foreign(path: Path, what: str) -> StatebakeError:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return StatebakeError(
        Code.FOREIGN_FILE,
        f"The state contains {what}.",
        where=repr(shown)[1:-1],
        next_step="have the component write regular files and directories only",
    )


def _sha256(opener: Callable[[], BinaryIO], pulse: Callable[[], None] = go_on) -> str:
    digest = hashlib.sha256()
    with opener() as stream:
        while chunk := stream.read(_CHUNK):
            pulse()
            digest.update(chunk)
    return digest.hexdigest()


def _checksum_line(path: str, digest: str) -> bytes:
    # GNU coreutils manual, "md5sum invocation": a backslash in a name is doubled, and the line then starts with one.
    escaped = path.replace("\\", "\\\\")
    mark = "\\" if escaped != path else ""
    return f"{mark}{digest}  {escaped}\n".encode()
