"""Walking a key directory, and the digest of what it holds.

The digest is ``sha256:`` and the SHA-256 of what ``sha256sum`` prints for every file but the record, sorted bytewise by
relative path. It knows nothing of times, owners, modes or empty directories, because wheels and PEXes carry none.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME, STATE_NAME

_CHUNK = 1 << 20
MAX_DEPTH = 200


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


def list_files(root: Path) -> list[TreeFile]:
    """Return every file under ``root`` but the record, sorted bytewise by relative path.

    Symbolic links that stay inside ``root`` are followed and count as files. Raises ``StatebakeError``
    (``FOREIGN_FILE``) for any other link, a device, a socket, a FIFO, or a name that cannot be digested.
    """
    found = [file for file in _walk(root, "", os.path.realpath(root), ()) if file.path != RECORD_NAME]
    return sorted(found, key=lambda file: os.fsencode(file.path))


def summarize(files: Iterable[tuple[str, int, Callable[[], BinaryIO]]], *, state_is_dir: bool) -> TreeSummary:
    """Return the summary of ``files``: (relative path, size, opener), sorted as ``list_files`` sorts.

    Works on anything that can be opened, so that a work tree and an archive are digested by the same code.
    """
    total = hashlib.sha256()
    count = size = 0
    state_size: int | None = None
    in_state = beside = 0
    for path, file_size, opener in files:
        with opener() as stream:
            total.update(_checksum_line(path, _sha256(stream)))
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


def summarize_dir(root: Path) -> TreeSummary:
    """Return the summary of the key directory ``root``; raises as ``list_files`` does, and ``OSError``."""
    return summarize(
        ((file.path, file.size, _opener(file.source)) for file in list_files(root)),
        state_is_dir=(root / STATE_NAME).is_dir(),
    )


def materialize_links(root: Path) -> None:
    """Replace every symbolic link under ``root`` by a copy of what it points to.

    Archives carry no links, so a key must mean the same with and without them. Raises as ``list_files`` does.
    """
    import shutil
    import uuid

    files = list_files(root)  # first the rules, then the change
    linked = [file for file in files if _goes_through_link(root, file.path)]
    copies = {file.path: root / f"~{uuid.uuid4().hex}" for index, file in enumerate(linked)}
    for file in linked:
        shutil.copyfile(file.source, copies[file.path])
    for directory, names, file_names in os.walk(root):
        for name in (*names, *file_names):
            path = Path(directory, name)
            if path.is_symlink():
                path.unlink()
    for relative, copy in copies.items():
        target = root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        copy.rename(target)


def remove_byte_code(root: Path) -> None:
    """Remove Python's byte code under ``root``: PEXes do not carry it, and no state is made of it."""
    for directory, _, names in os.walk(root):
        for name in names:
            if name.endswith((".pyc", ".pyo")):
                Path(directory, name).unlink()


def _walk(directory: Path, prefix: str, real_root: str, seen: tuple[str, ...]) -> Iterator[TreeFile]:
    real = os.path.realpath(directory)
    if len(seen) > MAX_DEPTH:
        raise _foreign(directory.parent, f"a tree of more than {MAX_DEPTH} levels")
    if real in seen:
        raise _foreign(directory, "a symbolic link that leads back to one of its own parents")
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        relative = prefix + entry.name
        path = Path(entry.path)
        _check_name(entry.name, path)
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            target = os.path.realpath(path)
            if not (target + os.sep).startswith(real_root + os.sep):
                raise _foreign(path, f"a symbolic link that leaves the key directory, to {path.readlink()}")
            try:
                status = path.stat()
            except OSError as error:
                raise _foreign(path, "a symbolic link to nothing") from error
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, relative + "/", real_root, (*seen, real))
        elif stat.S_ISREG(status.st_mode):
            yield TreeFile(path=relative, source=path, size=status.st_size)
        else:
            raise _foreign(path, _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file"))


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def _check_name(name: str, path: Path) -> None:
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


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _checksum_line(path: str, digest: str) -> bytes:
    # GNU coreutils manual, "md5sum invocation": a backslash in a name is doubled, and the line then starts with one.
    escaped = path.replace("\\", "\\\\")
    mark = "\\" if escaped != path else ""
    return f"{mark}{digest}  {escaped}\n".encode()


def _goes_through_link(root: Path, relative: str) -> bool:
    path = root
    for part in relative.split("/"):
        path = path / part
        if path.is_symlink():
            return True
    return False
