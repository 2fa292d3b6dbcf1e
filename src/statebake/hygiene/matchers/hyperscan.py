"""Finding literals with hyperscan, the extra ``statebake[scan]``: all in one pass, however many there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import hyperscan

from statebake.hygiene.matchers.base import Needle

# Of a longer needle the middle is looked for, and the rest compared: hyperscan takes no literal of many kilobytes.
_LONGEST = 64


class HyperscanMatcher:
    """Finds all needles at once. Raises ``hyperscan.error`` where the processor is not one that hyperscan knows."""

    name = "hyperscan"

    def __init__(self, needles: Sequence[Needle]) -> None:
        self._needles = tuple(needles)
        self._before = tuple(max(0, len(needle.data) - _LONGEST) // 2 for needle in self._needles)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._own = threading.local()  # a scratch for each thread: no two may use one at a time
        if self._needles:
            self._database.compile(
                expressions=[
                    _expression(needle.data[before : before + _LONGEST])
                    for needle, before in zip(self._needles, self._before, strict=True)
                ],
                ids=list(range(len(self._needles))),
                flags=[hyperscan.HS_FLAG_DOTALL | _once(needle) for needle in self._needles],
            )

    def find(self, haystack: bytes) -> Iterator[tuple[int, int]]:
        """See ``Matcher``."""
        if not self._needles:
            return
        found: list[tuple[int, int]] = []

        def keep(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            found.append((number, end))

        self._database.scan(haystack, match_event_handler=keep, scratch=self._scratch())
        told: set[int] = set()
        for number, end in found:
            needle, before = self._needles[number], self._before[number]
            at = end - min(len(needle.data), _LONGEST) - before
            if number not in told and at >= 0 and haystack.startswith(needle.data, at):
                yield number, at
                if needle.once:
                    told.add(number)

    def _scratch(self) -> Any:
        if not hasattr(self._own, "scratch"):
            self._own.scratch = hyperscan.Scratch(self._database)
        return self._own.scratch


def _once(needle: Needle) -> int:
    # Only if what is looked for is the whole of it: the first place of its middle need not be one of it.
    return int(hyperscan.HS_FLAG_SINGLEMATCH) if needle.once and len(needle.data) <= _LONGEST else 0


def _expression(data: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in data)
