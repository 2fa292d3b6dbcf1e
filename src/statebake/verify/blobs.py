"""Where the files of an OCI image layout are: in a directory, or in a tar archive of one (image-layout.md)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from statebake.errors import StatebakeError
from statebake.verify.artifact import unreadable
from statebake.verify.files import FREE_BYTES, LARGEST_RATIO
from statebake.verify.names import too_long
from statebake.verify.tar import TAR_ERRORS

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
_WHAT = "an OCI image layout"


class Blobs(ABC):
    """The files of a layout, of which ``where`` is the place for errors."""

    def __init__(self, where: str) -> None:
        self.where = where

    @abstractmethod
    def file(self, name: str) -> BinaryIO:
        """Open a file of the layout; raises ``StatebakeError`` (``NOT_AN_ARTIFACT``) where there is none."""

    def blob(self, digest: str) -> Verified:
        """Open a blob, whose digest is checked when its end is read."""
        if not _DIGEST.fullmatch(digest):
            raise unreadable(_WHAT, f"{digest!r} is no digest", self.where)
        return Verified(self.file(f"blobs/{digest.replace(':', '/')}"), digest, self.where)


class Verified(io.RawIOBase):
    """A stream that must have ``digest``; raises ``StatebakeError`` (``NOT_AN_ARTIFACT``) at its end if it has not.

    ``count`` is how many bytes of it were read.
    """

    def __init__(self, stream: BinaryIO, digest: str, where: str) -> None:
        super().__init__()
        if not _DIGEST.fullmatch(digest):
            raise unreadable(_WHAT, f"{digest!r} is no digest", where)
        self._stream, self.digest, self._where = stream, digest, where
        self._digest = hashlib.new(digest.partition(":")[0])
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        chunk = self._stream.read(len(view))
        view[: len(chunk)] = chunk
        self._digest.update(chunk)
        self.count += len(chunk)
        if not chunk and len(view) and f"{self._digest.name}:{self._digest.hexdigest()}" != self.digest:
            raise unreadable(_WHAT, f"{self.digest} has other content than its digest says", self._where)
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class Allowance:
    """How much a whole layout may unpack to, in what is read of it: a layer that is read again counts again.

    What it may be goes by the size of its distinct blobs, as far as they were read.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._packed: dict[str, int] = {}
        self._taken = 0
        self._size = 0

    def take(self, packed: Verified, count: int) -> None:
        """Say that so many bytes more came of a blob; raises ``StatebakeError`` (``NOT_AN_ARTIFACT``) at too many."""
        known = self._packed.get(packed.digest, 0)
        if packed.count > known:
            self._packed[packed.digest] = packed.count
            self._size += packed.count - known
        self._taken += count
        if self._taken > max(FREE_BYTES, LARGEST_RATIO * self._size):
            why = f"what was read of it unpacks to more than {LARGEST_RATIO} times its size"
            raise unreadable(_WHAT, why, self._where)


class Bounded(io.RawIOBase):
    """What ``packed`` unpacks to, of which every byte is taken off an allowance."""

    def __init__(self, unpacked: BinaryIO, packed: Verified, allowance: Allowance) -> None:
        super().__init__()
        self._unpacked, self._packed, self._allowance = unpacked, packed, allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        chunk = self._unpacked.read(len(view))
        view[: len(chunk)] = chunk
        self._allowance.take(self._packed, len(chunk))
        return len(chunk)


@contextlib.contextmanager
def open_blobs(path: Path) -> Iterator[Blobs]:
    """Give the files of the layout at ``path``; raises ``StatebakeError`` (``NOT_AN_ARTIFACT``) where there is none."""
    try:
        if path.is_dir():
            found: Blobs = _Directory(path)
            found.file("oci-layout").close()
            yield found
        elif not path.is_file():
            raise unreadable(_WHAT, "it is no file and no directory", str(path))
        else:
            with tarfile.open(path, "r:") as archive:
                yield _Archive(archive, str(path))
    except (*TAR_ERRORS, OSError) as error:
        raise unreadable(_WHAT, str(error), str(path)) from error


class _Directory(Blobs):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def file(self, name: str) -> BinaryIO:
        path = self._path / name
        if not path.is_file():  # a FIFO would never open
            raise _missing(name, self.where)
        try:
            return path.open("rb")
        except OSError as error:
            raise _missing(name, self.where) from error


class _Archive(Blobs):
    def __init__(self, archive: tarfile.TarFile, where: str) -> None:
        super().__init__(where)
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in archive:
            if member.size < 0:  # the next one would be this one again
                raise unreadable(_WHAT, "it has an entry of less than no bytes", where)
            if not member.isreg():
                continue
            if long := too_long(member.name):
                raise unreadable(_WHAT, long, where)
            name = "/".join(part for part in member.name.split("/") if part not in {"", "."})
            if name in self._members:
                raise unreadable(_WHAT, f"it has two entries called {name!r}", where)
            self._members[name] = member
        if "oci-layout" not in self._members:
            docker = "manifest.json" in self._members
            why = "it is what an old `docker save` writes; skopeo copy makes a layout of it" if docker else None
            raise unreadable(_WHAT, why or "it has no file oci-layout", where)

    def file(self, name: str) -> BinaryIO:
        if name not in self._members:
            raise _missing(name, self.where)
        return cast(BinaryIO, self._archive.extractfile(self._members[name]))


def _missing(name: str, where: str) -> StatebakeError:
    return unreadable(_WHAT, f"it has no file {name}", where)
