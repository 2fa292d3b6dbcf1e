"""What finds literals in bytes: the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Needle:
    """A literal to find; never empty.

    Attributes:
        once: whether it is enough to know that it occurs: only its first place is told.
    """

    data: bytes
    once: bool = False


class Matcher(Protocol):
    """Finds many needles at once, in several threads if that is asked of it.

    Attributes:
        name: what it is, for people.
    """

    name: str

    def find(self, haystack: bytes) -> Iterator[tuple[int, int]]:
        """Yield every occurrence, overlapping ones too: the needle's number, and where it begins. In no order."""
        ...
