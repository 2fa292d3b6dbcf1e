"""What git keeps: loose objects, and packs (gitformat-pack(5)), each a zlib stream.

Of a delta the inserted bytes are told, with a zero between those that are apart: a secret that was committed is in one
of them, or in the object that they are inserted into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from statebake.hygiene.unpack.base import CHUNK, Budget, Member, Stream, Tap, Unreadable
from statebake.hygiene.unpack.compressed import Inflater, Unpacked

PACK = b"PACK\0\0\0"
_LOOSE = re.compile(r"(?:^|[/!])objects/[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})$")
_LOOSE_HEADER = re.compile(rb"(blob|tree|commit|tag) \d{1,20}\0")
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag", 6: "delta", 7: "delta"}
_OFS_DELTA, _REF_DELTA = 6, 7
_SOME = 1 << 16


def is_loose(path: str) -> bool:
    """Return whether ``path`` is where git keeps an object."""
    return _LOOSE.search(path) is not None


def is_zlib(head: bytes) -> bool:
    """Return whether ``head`` may be the beginning of a zlib stream: RFC 1950, section 2.2."""
    return len(head) > 2 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0 and not head[1] & 0x20


def zlib_members(tap: Tap, budget: Budget, *, loose: bool) -> Iterator[Member]:
    """Yield what a zlib stream unpacks to, without the header that git's objects have; nothing if it is no such one.

    Raises ``Unreadable`` where it should be one: ``loose`` is whether it is where git keeps objects.
    """
    content = Tap(Unpacked(tap, lambda: Inflater(15), budget))
    head = content.peek(32)
    if not head and content.problem is not None:
        if loose:
            raise Unreadable("is no object of git")
        return
    name = "unpacked"
    if header := _LOOSE_HEADER.match(head):
        name = header[1].decode()
        content.exactly(header.end())
        content.position = 0
    yield Member(name, content)


def pack_members(tap: Tap, budget: Budget) -> Iterator[Member]:
    """Yield the objects of a pack, named by their kind and their offset, each to be read before the next."""
    header = tap.exactly(12)
    for _ in range(int.from_bytes(header[8:], "big")):
        begin = tap.position
        kind = _kind(tap)
        if kind not in _KINDS:
            raise Unreadable(f"has something unknown at offset {begin}")
        if kind == _OFS_DELTA:
            _varint(tap)
        elif kind == _REF_DELTA:
            tap.exactly(20)
        unpacked: Stream = Unpacked(tap, lambda: Inflater(15), budget)
        content = Tap(_Inserted(unpacked) if kind in {_OFS_DELTA, _REF_DELTA} else unpacked)
        yield Member(f"{_KINDS[kind]}@{begin}", content)
        while content.read(CHUNK):
            pass
        if content.problem is not None:
            raise Unreadable(f"cannot be read further than offset {begin}")


def _kind(tap: Tap) -> int:
    """Return an object's kind; its size comes in the same bytes, and is not needed."""
    first = tap.exactly(1)
    if not first:
        raise Unreadable("ends too early")
    if first[0] & 0x80:
        _varint(tap)
    return first[0] >> 4 & 7


def _varint(tap: Tap) -> None:
    """Read a number that has bytes as long as their highest bit is set."""
    for _ in range(10):
        byte = tap.exactly(1)
        if not byte or not byte[0] & 0x80:
            return
    raise Unreadable("has a number without an end")


class _Inserted:
    """What a delta inserts."""

    def __init__(self, delta: Stream) -> None:
        self._delta = Tap(delta)
        self._begun = False

    def read(self, _: int, /) -> bytes:
        """See ``Stream``."""
        if not self._begun:
            self._begun = True
            _varint(self._delta)  # the size of what it is applied to
            _varint(self._delta)  # and of the result
        out = bytearray()
        while len(out) < _SOME and (code := self._delta.exactly(1)):
            if code[0] & 0x80:
                self._delta.exactly((code[0] & 0x7F).bit_count())
                out += b"\0"
            else:
                out += self._delta.exactly(code[0])
        if not out and self._delta.problem is not None:
            raise Unreadable(self._delta.problem)
        return bytes(out)
