"""Searching bytes as they come, in windows: a file of any size takes the same memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from statebake.hygiene.patterns import Match, Patterns, Subject

CHUNK = 1 << 20
"""Bytes that are searched at once, beside those that were before them."""
SMALL = 1 << 16
"""Bytes; smaller files are searched together, for starting a search costs as much as some kilobytes."""
_CONTEXT = 64  # bytes before a match that decide whether it is one
_BETWEEN = b"\0\n\0\n"  # no match has it in it

Emit = Callable[[int, Subject], None]
"""Is told of everything that is found: where, and what."""


class Batch:
    """Small pieces of files that are searched together."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._pieces: list[tuple[Emit, int, bytes]] = []
        self._size = 0

    def add(self, emit: Emit, offset: int, data: bytes) -> None:
        """Search ``data``, which begins at ``offset``, now or later."""
        self._pieces.append((emit, offset, data))
        self._size += len(data) + len(_BETWEEN)
        if self._size >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Search what was added so far."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        matches = self._patterns.find(_BETWEEN.join(data for _, _, data in pieces)) if pieces else ()
        if not matches:
            return
        starts, at = [], 0
        for _, _, data in pieces:
            starts.append(at)
            at += len(data) + len(_BETWEEN)
        for match in matches:
            number = bisect_right(starts, match.start) - 1
            emit, offset, data = pieces[number]
            if match.end - starts[number] <= len(data):
                emit(offset + match.start - starts[number], match.subject)


class Scan:
    """A search of one file, which is fed piece by piece.

    ``start`` is the offset of the first byte. A file that proves to be small goes to ``batch``, if there is one.
    """

    def __init__(self, patterns: Patterns, emit: Emit, batch: Batch | None = None, start: int = 0) -> None:
        self._patterns = patterns
        self._emit = emit
        self._batch = batch
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._offset = start  # of the first of them
        self._decided = 0  # how many of their bytes are no start of a match that was not told yet

    def feed(self, data: bytes) -> None:
        """Search what comes next."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= CHUNK + self._patterns.longest:
            self._run(final=False)
            self._batch = None

    def finish(self) -> None:
        """Search the rest; nothing comes any more."""
        if self._batch is not None and self._size <= SMALL:
            self._batch.add(self._emit, self._offset, b"".join(self._parts))
        else:
            self._run(final=True)
        self._parts, self._size = [], 0

    def _run(self, *, final: bool) -> None:
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        matches = self._patterns.find(data)
        cut = len(data) if final else _cut(matches, len(data) - self._patterns.longest)
        for match in matches:
            if self._decided <= match.start < cut:
                self._emit(self._offset + match.start, match.subject)
        keep = max(0, cut - _CONTEXT)
        self._parts = [data[keep:]]
        self._size = len(data) - keep
        self._offset += keep
        self._decided = cut - keep


def _cut(matches: list[Match], latest: int) -> int:
    """Return up to where matches are decided: those that overlap are decided together, so that one counts."""
    cut = latest
    for match in reversed(matches):
        if match.start < cut < match.end:
            cut = match.start
    return cut if cut > latest // 2 else latest
