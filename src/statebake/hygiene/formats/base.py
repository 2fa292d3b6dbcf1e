"""What can be told by its looks: the contract of a rule, and what sets a real value apart from an example."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# A place where a word begins, in a document too whose line breaks or marks are escaped.
START = rb"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2}))"
END = rb"(?![A-Za-z0-9_])"
_MOST_STARTS = 4
_FEWEST_CHARACTERS = 8  # different ones; 20 random letters and digits have 17
_EXAMPLE = re.compile(
    rb"example|placeholder|dummy|redacted|sample|fake[-_]|not[-_]?real|your[-_]|my[-_]|[-_]here|changeme|x{4}|y{4}|z{4}"
    rb"|\*{3}|\.{3}|0{6}|1{6}|12345678|23456789|98765432|abcdefg|deadbeef|foobar|lorem",
    re.IGNORECASE,
)


def is_random(value: bytes) -> bool:
    """Return whether a value may be a real one: not an example's, nor a few characters over and over."""
    return len(set(value)) >= _FEWEST_CHARACTERS and not _EXAMPLE.search(value)


@dataclass(frozen=True)
class Rule:
    """What one kind of secret looks like.

    Attributes:
        id: short and stable, for allow lists.
        what: what it is, for people: ``a GitHub token``.
        anchors: literals of which it has one; they are looked for first, and should be rare in other files.
        pattern: the whole of it.
        before: how many bytes before an anchor it begins; at most, if it has a ``begin``.
        begin: what it begins with, if that is not its anchor.
        judge: whether a match is a real one.
    """

    id: str
    what: str
    anchors: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    before: int = 0
    begin: bytes | None = None
    judge: Callable[[bytes], bool] = is_random

    def span(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where the match begins and ends that has the anchor at ``at``; None if it has none."""
        starts = [at - self.before] if self.begin is None else self._starts(self.begin, data, at)
        for start in starts:
            match = self.pattern.match(data, start, start + LONGEST) if start >= 0 else None
            if match is not None and match.end() > at and self.judge(match[0]):
                return match.span()
        return None

    def _starts(self, begin: bytes, data: bytes, at: int) -> Iterator[int]:
        """Yield where it may begin, the nearest place first: what it begins with may be in it once more."""
        end = at + len(begin)
        for _ in range(_MOST_STARTS):
            if (start := data.rfind(begin, max(0, at - self.before), end)) < 0:
                return
            yield start
            end = start + len(begin) - 1


LONGEST = 1 << 13
"""Bytes: no match of a rule is longer."""
