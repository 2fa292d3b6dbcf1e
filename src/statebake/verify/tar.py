"""Reading the state directories in a tar archive, in one pass and without unpacking (POSIX.1-2001 "pax", and GNU).

Content is hashed while it goes by, and nothing of it is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, BinaryIO, cast

from statebake.model.keys import MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME
from statebake.model.tree import SPARSE_BYTES
from statebake.verify.artifact import ArtifactState, FoundFile
from statebake.verify.layers import Entry, StateTree
from statebake.verify.names import too_long
from statebake.verify.surroundings import TELLING_NAMES, TEXT_NAMES, Surroundings

_CHUNK = 1 << 20
_LARGEST_TEXT = 64 << 20
_LARGEST_CONFIG = 1 << 20
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MOST_ENDS = 16
_MOST_HEADERS = 256
_LARGEST_HEADERS = 1 << 16
TAR_ERRORS = (tarfile.TarError, EOFError, OverflowError, RecursionError)
"""What ``tarfile`` raises for what is no archive: sizes and headers before headers have no end for it."""


def read_tar(stream: BinaryIO, where: str, *, root: str = "") -> tuple[ArtifactState, ...]:
    """Return every state directory in a tar archive of a file system, for example what an engine exports.

    ``root`` is the directory that the archive's names are relative to. Raises ``StatebakeError``:
    ``NOT_AN_ARTIFACT``, ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    tree = StateTree("an image", where)
    read_layer(tree, stream, root=root.strip("/"), whiteouts=False)
    return tree.states()


def look_at_tar(stream: BinaryIO, where: str, *, root: str = "") -> tuple[tuple[str, ...], Surroundings]:
    """Return the paths of the state directories in a tar archive of a file system, and what is beside them.

    No state is read. ``root`` is the directory that the archive's names are relative to.
    """
    tree = StateTree("an image", where)
    found = set()
    with _readable(tree):
        for archive, member in _members(stream):
            path = _join(root.strip("/"), _relative(tree, member.name))
            parts = path.split("/")
            if STATE_DIR_NAME in parts:
                found.add("/" + "/".join(parts[: parts.index(STATE_DIR_NAME) + 1]))
            elif parts[-1] in TELLING_NAMES and member.isreg():
                text = _config(archive, member) if parts[-1] in TEXT_NAMES else b""
                tree.add_telling(path, text, _owner(member, 0o004))
            elif path and member.isdir():
                tree.add_other(path, is_dir=True, is_link=False, owner=_owner(member, 0o001))
    return tuple(sorted(found)), tree.surroundings()


def read_layer(tree: StateTree, stream: BinaryIO, *, root: str = "", whiteouts: bool = True) -> None:
    """Apply an uncompressed layer, whose names are relative to ``root``, to the tree; the stream is read to its end."""
    with _readable(tree):
        for archive, member in _members(stream):
            path = _join(root, _relative(tree, member.name))
            parent, _, name = path.rpartition("/")
            if whiteouts and name == _OPAQUE:
                tree.hide_below(parent)
            elif whiteouts and name.startswith(_WHITEOUT):
                tree.hide(_join(parent, name.removeprefix(_WHITEOUT)))
            elif STATE_DIR_NAME in path.split("/"):
                tree.add(path, _entry(tree, path, archive, member, root))
            elif name in TELLING_NAMES and member.isreg():
                text = _config(archive, member) if name in TEXT_NAMES else b""
                tree.add_telling(path, text, _owner(member, 0o004))
            elif path:
                owner = _owner(member, 0o001) if member.isdir() else None
                tree.add_other(path, is_dir=member.isdir(), is_link=member.issym(), owner=owner)


def read_files(tree: StateTree, stream: BinaryIO, wanted: set[str]) -> dict[str, Entry]:
    """Return those files of a layer whose paths are ``wanted``, for hard links that lead out of the state."""
    found = {}
    with _readable(tree):
        for archive, member in _members(stream):
            path = _relative(tree, member.name)
            if path in wanted:
                found[path] = _entry(tree, path, archive, member, "")
    return found


def first_file(stream: BinaryIO, where: str) -> bytes | None:
    """Return the content of the first regular file in a tar archive, which is of one; ``None``: it has none."""
    with _readable(StateTree("an image", where)):
        for archive, member in _members(stream):
            if member.isreg():
                return cast(IO[bytes], archive.extractfile(member)).read()
    return None


class Ending:
    """A stream for ``tarfile``, which would go on reading behind its end for as long as an entry says that it is.

    Raises ``EOFError`` when its end was read too often.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._ends = stream, 0

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, and none at the end."""
        data = self._stream.read(size)
        if not data:
            self._ends += 1
            if self._ends > _MOST_ENDS:
                raise EOFError("it ends within an entry")
        return data


def _members(stream: BinaryIO) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of an archive; each one can be read until the next one is asked for."""
    with tarfile.open(fileobj=cast(BinaryIO, Ending(stream)), mode="r|", bufsize=1 << 16) as archive:
        while (member := archive.next()) is not None:
            common = archive.pax_headers  # which every member takes a copy of
            if len(common) > _MOST_HEADERS or sum(map(len, common.values())) > _LARGEST_HEADERS:
                raise tarfile.HeaderError("it has too many headers for all of its entries")
            yield archive, member
            archive.members = []  # type: ignore[attr-defined]  # it would keep every one of them
    while stream.read(_CHUNK):
        pass  # padding: whoever verifies the stream needs to see its end


@contextlib.contextmanager
def _readable(tree: StateTree) -> Iterator[None]:
    """Turn what reading an archive can raise into the error that it cannot be read."""
    try:
        yield
    except (*TAR_ERRORS, zlib.error, ValueError, OSError) as error:
        raise tree.unreadable(f"it cannot be read as a tar archive ({error})") from error


def _entry(tree: StateTree, path: str, archive: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> Entry:
    owner = _owner(member, 0o005 if member.isdir() else 0o004)
    if member.isdir():
        return Entry(tree.layer, "directory", owner=owner)
    if member.islnk():
        target = _join(root, _relative(tree, member.linkname))
        known = tree.get(target)
        if known is not None and known.kind == "file":
            return replace(known, layer=tree.layer)
        return Entry(tree.layer, "file", target=target)
    if not member.isreg():
        return Entry(tree.layer, "other", "a symbolic link" if member.issym() else "what is no regular file")
    file, text = _digest(tree, archive, member, keep=_is_text(path))
    return Entry(tree.layer, "file", file=file, text=text, owner=owner)


def _owner(member: tarfile.TarInfo, needed: int) -> int | None:
    """Return who alone may do with a member what these bits of its mode allow; ``None``: anybody may."""
    return None if member.mode & needed == needed else member.uid


def _digest(
    tree: StateTree, archive: tarfile.TarFile, member: tarfile.TarInfo, *, keep: bool
) -> tuple[FoundFile, bytes]:
    """Return size and digest of the regular file that an archive stands at, and its content if it is to be kept."""
    if member.issparse() and member.size > SPARSE_BYTES:
        raise tree.unreadable(f"its state has a large sparse file, {member.name!r}")
    if member.issparse():
        tree.take_hollow(member.size)
    if keep and member.size > _LARGEST_TEXT:
        raise tree.unreadable(f"{member.name!r} has {member.size} bytes, too many for a manifest or record")
    digest, kept, left = hashlib.sha256(), bytearray(), member.size
    content = cast("IO[bytes]", archive.extractfile(member))
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        left -= len(chunk)
        if keep:
            kept += chunk
    if left:
        raise tree.unreadable(f"{member.name!r} ends too early")
    return FoundFile(member.size, digest.hexdigest()), bytes(kept)


def _config(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the text of a configuration file; none of one that is too large to be one, or sparse."""
    if member.size > _LARGEST_CONFIG or member.issparse():
        return b""
    return cast("IO[bytes]", archive.extractfile(member)).read()


def _is_text(path: str) -> bool:
    """Return whether a file below a state directory is a manifest or a record."""
    parts = path.split("/")
    return parts[-2:] == [STATE_DIR_NAME, MANIFEST_NAME] or (
        len(parts) > 2 and parts[-3] == STATE_DIR_NAME and parts[-1] == RECORD_NAME
    )


def _relative(tree: StateTree, name: str) -> str:
    """Return a member's name without what says nothing; raises where it leaves the archive, or is too long."""
    if why := too_long(name):
        raise tree.unreadable(why)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise tree.unreadable(f"it has an entry that leaves it, {name!r}")
    return "/".join(parts)


def _join(root: str, path: str) -> str:
    return f"{root}/{path}" if root and path else root or path
