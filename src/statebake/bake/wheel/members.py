"""Reading the files of a wheel for what its ``RECORD`` says of them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from statebake.bake.wheel.record import Member

_CHUNK = 1 << 20
_ENCRYPTED = 0x1


def member_of(path: str, stream: IO[bytes], algorithms: Sequence[str]) -> Member:
    """Return the member at ``path`` that has what ``stream`` gives."""
    digests = [hashlib.new(name) for name in algorithms]
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        for digest in digests:
            digest.update(chunk)
    return Member(path, size, {digest.name: digest.digest() for digest in digests})


def must_be_open(archive: zipfile.ZipFile) -> None:
    """Raise ``ValueError`` where a member is encrypted."""
    if locked := next((info.filename for info in archive.infolist() if info.flag_bits & _ENCRYPTED), None):
        raise ValueError(f"{locked} is encrypted")


def members_of(
    archive: zipfile.ZipFile, leaves_out: Callable[[str], bool], algorithms: Sequence[str]
) -> Iterator[Member]:
    """Yield the members of a wheel but for directories and what is left out.

    Raises ``ValueError`` where there are two of one name, and what reading raises.
    """
    seen = set()
    for info in archive.infolist():
        name = info.filename
        if info.is_dir() or leaves_out(name):
            continue
        if name in seen:
            raise ValueError(f"it has {name} twice")
        seen.add(name)
        with archive.open(info) as stream:
            yield member_of(name, stream, algorithms)
