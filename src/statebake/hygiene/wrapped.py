"""Base64 that is broken into lines, as MIME (RFC 2045, section 6.8) and PEM have it, wherever the breaks are."""

from __future__ import annotations

import re

_SHORTEST_LINE = 48
_LONGEST_BREAK = 20
# Also in JSON, and where the lines are indented.
_BREAK = rb"(?:\r?\n|(?:\\r)?\\n)[ \t]{0,16}"
_BREAK_AFTER = re.compile(_BREAK)
_BREAK_BEFORE = re.compile(_BREAK + rb"\Z")
_FEWEST = 5  # of a piece, to be looked for by itself: the shortest secret, 8 bytes, has two such pieces
_BLANK = b" \t\n"


def pieces(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Return pieces of ``data``, each with its offset, of which at least one is whole where ``data`` is wrapped.

    None if ``data`` is too short for pieces that would not be found by chance.
    """
    size = min(len(data) // 2, _SHORTEST_LINE // 2)
    return ((0, data[:size]), (size, data[size : 2 * size])) if size >= _FEWEST else ()


def longest(data: bytes) -> int:
    """Return how many bytes ``data`` takes at most where it is wrapped."""
    return len(data) + (len(data) // _SHORTEST_LINE + 2) * _LONGEST_BREAK


def wrapped_at(form: bytes, before: int, data: bytes, at: int) -> tuple[int, int] | None:
    """Return where ``form`` begins and ends in ``data``, ``before`` of it before ``at``; None if it is not there."""
    begin = _begin(form[:before], data, at)
    end = None if begin is None else _end(form[before:], data, at)
    return None if begin is None or end is None else (begin, end)


def _begin(form: bytes, data: bytes, at: int) -> int | None:
    left = len(form)
    while left:
        if (data[at - 1 : at] in _BLANK or data[at - 2 : at] == b"\\n") and (
            found := _BREAK_BEFORE.search(data, max(0, at - _LONGEST_BREAK), at)
        ):
            at = found.start()
        left, at = left - 1, at - 1
        if at < 0 or data[at] != form[left]:
            return None
    return at


def _end(form: bytes, data: bytes, at: int) -> int | None:
    for sign in form:
        if data[at : at + 1] in b"\r\n\\" and (found := _BREAK_AFTER.match(data, at)):
            at = found.end()
        if at >= len(data) or data[at] != sign:
            return None
        at += 1
    return at
