"""Zip archives, as wheels and PEXes are: PKWARE's APPNOTE 6.3.10, by the directory at their end.

``zipfile`` keeps all of the directory in memory, and raises many kinds of errors for what is broken.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from statebake.hygiene.unpack.base import Budget, Member, Part, Share, Tap, Unreadable
from statebake.hygiene.unpack.compressed import COMPRESSIONS, Decompressor, Inflater, Unpacked

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sLQL")  # 4.3.15
_ENTRY = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_STORED, _DEFLATED, _BZIP2, _LZMA, _ZSTD = 0, 8, 12, 14, 93
_ENCRYPTED, _UTF_8 = 1, 1 << 11
_DEFLATED_NOTHING = b"\x03\0"  # as a directory is written at times
_LONGEST_COMMENT = 0xFFFF
END = _END.size + _LONGEST_COMMENT
"""Bytes at the end of a file, in which the end of an archive's directory is."""
_SUFFIXES = (".pex", ".pyz", ".whl", ".zip", ".jar", ".egg")


@dataclass(frozen=True)
class _Directory:
    begin: int
    size: int
    shift: int  # bytes before the archive, which its offsets do not count: a PEX begins with a line for the kernel


@dataclass(frozen=True)
class _Entry:
    name: str
    flags: int
    method: int
    packed: int
    offset: int


def is_zip(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is a zip archive, maybe with a line for the kernel before it."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or (head.startswith(b"#!") and b"\nPK\x03\x04" in head)


def may_be_zip(head: bytes, name: str) -> bool:
    """Return whether a file is one that often is an archive with something before it: a script, a PEX, a wheel."""
    return head.startswith(b"#!") or name.lower().endswith(_SUFFIXES)


def ends_as_zip(tail: bytes, size: int) -> bool:
    """Return whether a file of ``size`` bytes that ends with ``tail`` is an archive, whatever it begins with.

    ``tail`` is at least the last ``END`` bytes. A directory that begins before them is not looked at.
    """
    begin = size - len(tail)

    def read(at: int, count: int) -> bytes:
        return tail[at - begin : at - begin + count] if at >= begin else b""

    if b"\x05" not in tail or b"PK\x05\x06" not in tail:  # a single byte is found far faster, and text has none
        return False
    try:
        directory = _directory(read, size)
    except Unreadable:
        return False
    return directory.size > 0 and read(directory.begin, 4) in (b"PK\x01\x02", b"")


def zip_members(file: IO[bytes], begin: int, size: int, budget: Budget) -> Iterator[Member]:
    """Yield the members, each to be read before the next; raises ``Unreadable`` where there is no directory.

    The archive is the ``size`` bytes of ``file`` from ``begin`` on.
    """

    def read(at: int, count: int) -> bytes:
        return b"" if at < 0 else Part(file, begin + at, min(count, size - at)).read(count)

    directory = _directory(read, size)
    at, end = directory.begin, directory.begin + directory.size
    while at < end:
        header = read(at, _ENTRY.size)
        if len(header) < _ENTRY.size or not header.startswith(b"PK\x01\x02"):
            raise Unreadable("has a broken directory")
        fields = _ENTRY.unpack(header)
        rest = read(at + _ENTRY.size, sum(fields[10:13]))
        at += _ENTRY.size + sum(fields[10:13])
        entry = _entry(fields, rest)
        start = entry.offset + directory.shift
        local = read(start, _LOCAL.size)
        if len(local) < _LOCAL.size or not local.startswith(b"PK\x03\x04"):
            yield Member(entry.name, Tap(_Nothing()), problem="is not where the archive says")
            continue
        start += _LOCAL.size + sum(_LOCAL.unpack(local)[9:])
        packed = min(entry.packed, max(0, size - start))
        if not entry.name.endswith("/") or packed > len(_DEFLATED_NOTHING):
            yield _member(entry, Tap(Part(file, begin + start, packed)), start, start + packed, budget)


def _member(entry: _Entry, packed: Tap, begin: int, end: int, budget: Budget) -> Member:
    if entry.flags & _ENCRYPTED:
        return Member(entry.name, packed, begin, end, "is encrypted")
    if entry.method == _STORED:
        return Member(entry.name, Tap(_Counted(packed, budget)), begin, end)
    if (new := _decompressor(entry.method, packed)) is None:
        return Member(entry.name, packed, begin, end, "is packed in a way that cannot be read here")
    return Member(entry.name, Tap(Unpacked(packed, new, budget, skipped=True)), begin, end)


def _decompressor(method: int, packed: Tap) -> Callable[[], Decompressor] | None:
    if method == _DEFLATED:
        return lambda: Inflater(-15)
    names = {_BZIP2: "bzip2", _ZSTD: "Zstandard"}
    if method == _LZMA:
        return _lzma(packed)
    return next((kind.new for kind in COMPRESSIONS if kind.name == names.get(method)), None)


def _lzma(packed: Tap) -> Callable[[], Decompressor] | None:
    """Return the decompressor for a member whose stream has a header of its own: 5.8.8."""
    head = packed.exactly(9)
    try:
        lzma = importlib.import_module("lzma")
    except ImportError:
        return None
    if len(head) < 9 or head[2:4] != b"\x05\x00" or head[4] >= 9 * 5 * 5:
        return None
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    size = min(int.from_bytes(head[5:9], "little"), 1 << 27)
    options = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": size}
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])


def _directory(read: Callable[[int, int], bytes], size: int) -> _Directory:
    tail_at = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = read(tail_at, size - tail_at)
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        raise Unreadable("has no directory at its end")
    at = tail_at + found
    fields = _END.unpack_from(tail, found)
    length, offset = fields[5], fields[6]
    locator = read(at - _LOCATOR_64.size, _LOCATOR_64.size)
    if locator.startswith(b"PK\x06\x07") and (end_64 := _end_64(read, at, _LOCATOR_64.unpack(locator)[2])):
        at, length, offset = end_64
    shift = at - length - offset
    if shift < 0 or length > at:
        raise Unreadable("has a directory at an impossible place")
    return _Directory(at - length, length, shift)


def _end_64(read: Callable[[int, int], bytes], end: int, told: int) -> tuple[int, int, int] | None:
    for at in (told, end - _LOCATOR_64.size - _END_64.size):  # the latter where something comes before the archive
        data = read(at, _END_64.size)
        if len(data) == _END_64.size and data.startswith(b"PK\x06\x06"):
            fields = _END_64.unpack(data)
            return at, fields[8], fields[9]
    return None


def _entry(fields: tuple[int, ...], rest: bytes) -> _Entry:
    flags, method, packed, unpacked, offset = fields[3], fields[4], fields[8], fields[9], fields[16]
    name_length, extra_length = fields[10], fields[11]
    name = rest[:name_length].decode("utf-8" if flags & _UTF_8 else "cp437", "surrogateescape")
    extra = rest[name_length : name_length + extra_length]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:  # 4.5.3: only those that did not fit
            data = extra[at + 4 : at + 4 + length]
            numbers = [number for (number,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8])]
            if unpacked == 0xFFFFFFFF and numbers:
                numbers.pop(0)
            if packed == 0xFFFFFFFF and numbers:
                packed = numbers.pop(0)
            if offset == 0xFFFFFFFF and numbers:
                offset = numbers.pop(0)
        at += 4 + length
    return _Entry(name, flags, method, packed, offset)


class _Nothing:
    def read(self, _: int, /) -> bytes:
        return b""


class _Counted:
    """A stream that counts towards a budget: several members may be the same bytes."""

    def __init__(self, stream: Tap, budget: Budget) -> None:
        self._stream = stream
        self._share = Share(budget, lambda: stream.position)

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._share.take(len(data))
        return data
