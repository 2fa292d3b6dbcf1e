"""Writing a source distribution anew with the state in it (PyPA specifications, "Source distribution format").

What else is in it stays as its backend made it, but for times that are later than they should be, and the version where
it gets another one; the compression is done again.
"""

from __future__ import annotations

import copy
import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from statebake.bake.state_files import StateFile
from statebake.bake.wheel.contents import Contents, sdist_changes
from statebake.bake.wheel.version import LocalVersion
from statebake.errors import Code, StatebakeError

_CHUNK = 1 << 20
_METADATA = "PKG-INFO"
_SAID_ABOVE = frozenset({"path", "linkpath", "mtime", "size"})
_MTIME = 315619200
"""1980-01-02, UTC: a day after the first one that a zip file can hold, for a wheel may be made of what is unpacked."""


def complete_sdist(
    built: Path,
    output: Path,
    contents: Contents,
    backend: str,
    *,
    local: LocalVersion | None = None,
    latest: int | None = None,
) -> None:
    """Write the source distribution ``built``, which ``backend`` made, with ``contents`` to ``output``.

    With ``local``, the version that is inside ends with it; the name of ``output`` should as well: see ``sdist_name``.
    ``latest``: nothing that ``backend`` put in is dated later than that, in seconds since 1970.

    ``built`` is unpacked in its own directory, but for the members in it. Raises ``StatebakeError``
    (``BACKEND_FAILED``) for what is no source distribution, ``LEFT_OUT_BY_BACKEND``, and ``OSError``.
    """
    plain = built.with_name(f"{built.name}.tar")
    try:
        with gzip.open(built) as packed, plain.open("wb") as stream:
            shutil.copyfileobj(packed, stream, _CHUNK)
        with tarfile.open(plain, "r:") as archive, plain.open("rb") as read:
            members = archive.getmembers()
            top = _top(members, built.name, backend)
            names = {_name(member) for member in members if not member.isdir()}
            if local and f"{top}/{_METADATA}" not in names:
                raise ValueError(f"it has no {_METADATA}")
            changes = sdist_changes(contents, names, top, backend)
            # No name and no time in the header: the same content is the same file.
            with output.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as write:
                edit = _Edit(top, local, latest)
                for member, start, end in _extents(members):
                    if changes.removes(_name(member)):
                        continue
                    if edit.nothing:
                        _copy(read, write, start, end)
                    elif local and _name(member) == f"{top}/{_METADATA}":
                        _write_metadata(archive, member, edit, write)
                    else:
                        write.write(edit.header(member))
                        _copy(read, write, member.offset_data, end)
                _append(write, [replace(file, path=edit.path(file.path)) for file in changes.added])
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise no_sdist(backend, built.name, f"it cannot be read ({error})") from error
    finally:
        plain.unlink(missing_ok=True)


def sdist_name(name: str, local: LocalVersion | None, backend: str) -> str:
    """Return the name that a source distribution has when it is completed; raises ``StatebakeError``
    (``BACKEND_FAILED``).
    """
    try:
        return local.sdist_name(name) if local else name
    except ValueError as error:
        raise no_sdist(backend, name, str(error)) from error


def no_sdist(backend: str, name: str, why: str) -> StatebakeError:
    """Return the error that a backend made something else than a source distribution."""
    return StatebakeError(
        Code.BACKEND_FAILED,
        f"What {backend} made is no source distribution that can be read: {why}.",
        where=name,
        next_step="look at what it makes by itself: STATEBAKE_ON_BUILD=off, or [build-system] build-backend = "
        f'"{backend}"',
    )


@dataclass(frozen=True)
class _Edit:
    """What becomes of the headers of a source distribution with the directory ``top``."""

    top: str
    local: LocalVersion | None
    latest: int | None

    @property
    def nothing(self) -> bool:
        """Whether they stay as they are, to the byte."""
        return self.local is None and self.latest is None

    def path(self, path: str) -> str:
        """Return the new path of what is at ``path``."""
        return f"{self.local.sdist_top(self.top)}{path[len(self.top) :]}" if self.local else path

    def header(self, member: tarfile.TarInfo, size: int | None = None) -> bytes:
        """Return the header of a member, whose size may be another one."""
        if member.issparse():
            raise ValueError(f"{member.name} is a sparse file")
        info = copy.copy(member)
        info.name = self.path(_name(member))
        if member.islnk():
            info.linkname = self.path(member.linkname.removeprefix("./"))
        if self.latest is not None:
            info.mtime = min(int(member.mtime), self.latest)
        if size is not None:
            info.size = size
        # What these say would count more than what is said above.
        info.pax_headers = {name: value for name, value in member.pax_headers.items() if name not in _SAID_ABOVE}
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _write_metadata(archive: tarfile.TarFile, member: tarfile.TarInfo, edit: _Edit, write: gzip.GzipFile) -> None:
    stream = archive.extractfile(member)
    if edit.local is None or stream is None:
        raise ValueError(f"its {_METADATA} is no file")
    content = edit.local.metadata(stream.read(), _METADATA)
    write.write(edit.header(member, len(content)))
    write.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))


def _top(members: list[tarfile.TarInfo], name: str, backend: str) -> str:
    tops = {_name(member).partition("/")[0] for member in members}
    if len(tops) != 1:
        raise no_sdist(backend, name, f"it has {len(tops)} directories at its top, not one")
    return tops.pop()


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./")


def _extents(members: list[tarfile.TarInfo]) -> Iterator[tuple[tarfile.TarInfo, int, int]]:
    """Yield every member with the range of bytes that it takes, the headers before it included."""
    starts = [0, *(member.offset for member in members[1:])]  # before the first there may be a header for all
    last = members[-1]
    blocks = -(-last.size // tarfile.BLOCKSIZE) if last.isreg() else 0
    ends = [*starts[1:], last.offset_data + blocks * tarfile.BLOCKSIZE]
    yield from zip(members, starts, ends, strict=True)


def _copy(read: IO[bytes], write: gzip.GzipFile, start: int, end: int) -> None:
    read.seek(start)
    while start < end:
        chunk = read.read(min(end - start, _CHUNK))
        if not chunk:
            raise tarfile.ReadError("it ends too early")
        write.write(chunk)
        start += len(chunk)


def _append(write: gzip.GzipFile, files: Sequence[StateFile]) -> None:
    with tarfile.open(fileobj=write, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.mtime, info.mode = _MTIME, 0o644
            if file.source is None:
                data = (file.text or "").encode()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            else:
                info.size = file.source.stat().st_size
                with file.source.open("rb") as stream:
                    archive.addfile(info, stream)
