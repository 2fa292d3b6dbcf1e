"""Tar archives, as image layers are: POSIX.1-1988 ustar, pax, GNU's and older ones, read as they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from statebake.hygiene.unpack.base import Limited, Member, Tap, Unreadable

BLOCK = 512
_LONGEST_TEXT = 1 << 20
_CHECKSUM = re.compile(rb"[ 0]*[0-7]{1,8}[ \0]*")
_PAX_RECORD = re.compile(rb"(\d{1,8}) ([^=\n]{1,200})=")
_LINK = ord("1")
_EMPTY = frozenset(b"123456")  # links, devices, directories: they have no content, whatever their size says


def is_header(block: bytes) -> bool:
    """Return whether ``block`` is the header of a member."""
    if len(block) < BLOCK or not _CHECKSUM.fullmatch(block, 148, 156):
        return False
    rest = block[:148] + b" " * 8 + block[156:BLOCK]
    told, unsigned = _octal(block[148:156]), sum(rest)
    # Some old programs summed signed bytes.
    return (told == unsigned or told == unsigned - 256 * sum(byte > 127 for byte in rest)) and any(block[:BLOCK])


def tar_members(tap: Tap, see: Callable[[bytes, int], None]) -> Iterator[Member]:
    """Yield the files, each to be read before the next.

    ``see`` is handed all else, with its offset: headers, and what fills blocks. Raises ``Unreadable`` where the archive
    is not one any more; what comes there is still in ``tap``. An archive's bytes are told in these pieces only: a text
    that begins in one member and ends in the next is no text of anything.
    """
    name: str | None = None
    size: int | None = None
    while True:
        block = tap.peek(BLOCK)[:BLOCK]
        if not block:
            return
        if not any(block):  # the end; what comes after it is no part of the archive
            return
        if not is_header(block):
            raise Unreadable("is no tar archive any more at some place")
        begin = tap.position
        see(tap.exactly(BLOCK), begin)
        kind = block[156]
        length = _number(block[124:136]) if size is None else size
        if length < 0:
            raise Unreadable("has a member with a negative size")
        if kind in b"xgXLK":
            text = _text(tap, length, see)
            if kind in b"xX":
                found = _pax(text)
                name = found.get("path", name)
                size = int(found["size"]) if found.get("size", "").isdecimal() else size
            elif kind in b"L":
                name = _decoded(text.split(b"\0")[0])
            continue
        if kind in b"S":
            _sparse(tap, block, see)
        if kind in _EMPTY:
            length = 0
        if kind not in _EMPTY or kind == _LINK:
            limited = Limited(tap, length)
            yield Member(name if name is not None else _name(block), Tap(limited))
            while limited.left and (data := tap.read(limited.left)):  # whoever got it may have read only some
                see(data, tap.position - len(data))
                limited.left -= len(data)
            if padding := tap.exactly(-length % BLOCK):
                see(padding, tap.position - len(padding))
        name = size = None


def _text(tap: Tap, length: int, see: Callable[[bytes, int], None]) -> bytes:
    if length > _LONGEST_TEXT:
        raise Unreadable("has a name that is too long")
    data = tap.exactly(length + -length % BLOCK)
    see(data, tap.position - len(data))
    return data[:length]


def _sparse(tap: Tap, block: bytes, see: Callable[[bytes, int], None]) -> None:
    """Read the further headers of a sparse file of GNU's old format."""
    more = block[482]
    while more:
        extended = tap.exactly(BLOCK)
        see(extended, tap.position - len(extended))
        more = extended[504] if len(extended) == BLOCK else 0


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _decoded(prefix + b"/" + name if prefix else name)


def _pax(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while record := _PAX_RECORD.match(text, at):
        end = at + int(record[1])
        if end <= record.end():
            break
        found[record[2].decode("utf-8", "replace")] = _decoded(text[record.end() : end - 1])
        at = end
    return found


def _number(field: bytes) -> int:
    """Return a number of a header: octal digits, or GNU's binary one."""
    if field[:1] in {b"\x80", b"\xff"}:
        return int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[:1] == b"\xff" else 0)
    return _octal(field)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0").split(b"\0")[0]
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return -1


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
