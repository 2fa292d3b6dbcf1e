"""Reading the files of a wheel for what its ``RECORD`` says of them."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from statebake.bake.wheel.record import Member

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
# An OSError comes from the disk, and from what bzip2 cannot unpack; what is not implemented is a compression.
_BROKEN: tuple[type[Exception], ...] = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
if importlib.util.find_spec("_lzma"):  # not every Python has it
    import lzma

    _BROKEN = (*_BROKEN, lzma.LZMAError)


def member_of(path: str, stream: IO[bytes], algorithms: Sequence[str]) -> Member:
    """Return the member at ``path`` that has what ``stream`` gives."""
    digests = [hashlib.new(name) for name in algorithms]
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        for digest in digests:
            digest.update(chunk)
    return Member(path, size, {digest.name: digest.digest() for digest in digests})


@contextmanager
def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Give what a member has; raises ``ValueError`` where it cannot be unpacked."""
    try:
        with archive.open(info) as stream:
            yield stream
    except _BROKEN as error:
        raise ValueError(f"{info.filename}: {error}") from error


def content_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return all that a member has; raises ``ValueError`` where it cannot be unpacked."""
    with unpacked(archive, info) as stream:
        return stream.read()


def must_be_open(archive: zipfile.ZipFile) -> None:
    """Raise ``ValueError`` where a member is encrypted."""
    if locked := next((info.filename for info in archive.infolist() if info.flag_bits & _ENCRYPTED), None):
        raise ValueError(f"{locked} is encrypted")


def members_of(
    archive: zipfile.ZipFile, leaves_out: Callable[[str], bool], algorithms: Sequence[str]
) -> Iterator[Member]:
    """Yield the members of a wheel but for directories and what is left out.

    Raises ``ValueError`` where there are two of one name, or where one cannot be unpacked.
    """
    seen = set()
    for info in archive.infolist():
        name = info.filename
        if info.is_dir() or leaves_out(name):
            continue
        if name in seen:
            raise ValueError(f"it has {name} twice")
        seen.add(name)
        with unpacked(archive, info) as stream:
            member = member_of(name, stream, algorithms)
        yield member
