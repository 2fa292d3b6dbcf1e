"""Reading zip files that may be made to mislead (APPNOTE.TXT of PKWARE), without extracting anything.

The standard library finds the entries; their content is read here, for the entry that is digested must be the only
thing that any other reader could take it for. An archive that could mean two things is refused: two entries of one
name, entries that overlap, sizes that are not the real ones, a header that says something else than the directory. How
much is unpacked has a limit.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from statebake.errors import StatebakeError
from statebake.verify.artifact import FoundFile, unreadable
from statebake.verify.files import Budget, FileTree
from statebake.verify.names import too_long

_LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
_CHUNK = 1 << 18
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_IN_ZIP64 = 0xFFFFFFFF


@dataclass(frozen=True)
class Source:
    """A zip file: how to open it, what it is, and its place for errors."""

    open: Callable[[], BinaryIO]
    what: str
    where: str

    def refused(self, why: str) -> StatebakeError:
        """Return the error that it cannot be read."""
        return unreadable(self.what, why, self.where)


def read_zip(source: Source, budget: Budget) -> FileTree:
    """Return the files of a zip file, none of which is read yet; ``budget`` is for when they are.

    Raises ``StatebakeError`` (``NOT_AN_ARTIFACT``).
    """
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise source.refused(f"it cannot be read as a zip file ({error})") from error
    _must_not_overlap(source, infos, end)
    files: dict[str, FoundFile] = {}
    directories: set[str] = set()
    odd: dict[str, str] = {}
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        if why := too_long(name):
            raise source.refused(why)
        if name in seen:
            raise source.refused(f"it has two entries called {name!r}")
        seen.add(name)
        if info.orig_filename != name:
            raise source.refused(f"it has an entry whose name has a zero byte, {name!r}")
        # A backslash is a letter here and a separator to some other tools: such a name must be harmless to both.
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts:
            raise source.refused(f"it has an entry that leaves it, {name!r}")
        if "." in parts or "" in parts[:-1]:
            raise source.refused(f"it has an entry that could take another one's place, {name!r}")
        if name.endswith("/"):
            directories.add(name[:-1])
        elif stat.S_ISLNK(info.external_attr >> 16):
            odd[name] = "a symbolic link"
        else:
            files[name] = FoundFile(info.file_size, _opener(source, info, budget))
    return FileTree(source.what, source.where, files, directories, odd)


def _must_not_overlap(source: Source, infos: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share bytes: a small file could unpack to any size, and readers differ in what they see."""
    last = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < last:
            raise source.refused(f"its entries overlap, at {info.filename!r}")
        last = info.header_offset + _LOCAL.size + len(info.filename) + info.compress_size
    if last > end:
        raise source.refused("its last entry does not end before its directory")


def _opener(source: Source, info: zipfile.ZipInfo, budget: Budget) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        stream = source.open()
        try:
            return cast(BinaryIO, _Member(stream, source, info, budget))
        except BaseException:
            stream.close()
            raise

    return open_member


class _Member(io.RawIOBase):
    """The content of an entry, which must end where the archive says that it does."""

    def __init__(self, stream: BinaryIO, source: Source, info: zipfile.ZipInfo, budget: Budget) -> None:
        super().__init__()
        self._stream, self._source, self._info, self._budget = stream, source, info, budget
        self._go_to_content()
        self._left = info.compress_size
        self._size = self._crc = 0
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        try:
            data = self._next(len(view)) if len(view) else b""
        except (zlib.error, OSError) as error:
            raise self._bad(f"cannot be unpacked ({error})") from error
        view[: len(data)] = data
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._budget.take(len(data))
        if self._size > self._info.file_size:
            raise self._bad("is larger than it says")
        if not data and len(view) and not self._ended:
            self._ended = True
            self._must_be_whole()
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _next(self, size: int) -> bytes:
        """Return at most ``size`` bytes of the content; none at its end."""
        if self._unpack is None:
            return self._packed(size)
        while not self._unpack.eof:
            packed = self._unpack.unconsumed_tail or self._packed(_CHUNK)
            data = self._unpack.decompress(packed, size)
            if data or (not packed and not self._unpack.eof):
                return data
        return b""

    def _packed(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def _must_be_whole(self) -> None:
        ended = self._unpack is None or (self._unpack.eof and not self._unpack.unused_data)
        if self._left or not ended or self._size != self._info.file_size:
            raise self._bad("has not the size that it says")
        if self._crc != self._info.CRC:
            raise self._bad("has other content than its checksum says")

    def _go_to_content(self) -> None:
        """Read the entry's own header, which must say the same as the directory."""
        info = self._info
        if info.flag_bits & _ENCRYPTED:
            raise self._bad("has a password")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise self._bad(f"has a compression that is not read here, {info.compress_type}")
        self._stream.seek(info.header_offset)
        header = self._stream.read(_LOCAL.size)
        if len(header) < _LOCAL.size:
            raise self._bad("has no header")
        signature, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
        name = self._stream.read(name_size).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        known = flags & _DESCRIPTOR or _IN_ZIP64 in {packed, size}
        says = (info.CRC, info.compress_size, info.file_size)
        if (
            signature != b"PK\x03\x04"
            or name != info.orig_filename
            or method != info.compress_type
            or (not known and (crc, packed, size) != says)
        ):
            raise self._bad("has a header that says something else than the directory of the archive")
        self._stream.seek(extra_size, io.SEEK_CUR)

    def _bad(self, what: str) -> StatebakeError:
        return self._source.refused(f"the entry {self._info.filename!r} {what}")
