"""What is packed into files: the contract of what unpacks it, and how much may be unpacked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol

CHUNK = 1 << 20
FREE_BYTES = 1 << 28
LARGEST_RATIO = 100
"""What is packed may unpack to so many times its size, or to ``FREE_BYTES``: text does, and zeros do not."""
FREE_FILES = 16
"""So many times ``FREE_BYTES`` may all files of one search together unpack to beyond ``LARGEST_RATIO``."""


class Unreadable(Exception):  # noqa: N818 - it is not an error: what cannot be unpacked is searched as it is
    """Something cannot be unpacked; says why, in words that come after the file's name."""


class Budget:
    """How much the files of one search may unpack to: more than any state does, and little enough to end soon.

    What unpacks to no more than it should leaves nothing less for others, so that one bomb takes only itself away.
    ``size`` is what is searched, in bytes, as far as it is known by now.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._fair = 0  # of what was unpacked, what is within the ratio
        self._free = 0  # and what is not

    def take(self, count: int, over: int) -> bool:
        """Say that so many bytes were unpacked, and how many of these are too many; return whether that is allowed.

        Files that share their packed bytes are fair together only as far as the outermost one has bytes.
        """
        fair = min(count - over, max(0, LARGEST_RATIO * self.size - self._fair))
        self._fair += fair
        self._free += count - fair
        return count == fair or self._free <= FREE_FILES * FREE_BYTES


class Share:
    """What one file has of a budget. ``packed`` tells how many of its packed bytes were read by now.

    ``skipped`` is whether the files after it can be read without it: it may take less then.
    """

    def __init__(self, budget: Budget, packed: Callable[[], int], *, skipped: bool = False) -> None:
        self._budget = budget
        self._packed = packed
        self._skipped = skipped
        self._taken = 0

    def take(self, count: int) -> None:
        """Say that so many bytes were unpacked; raises ``Unreadable`` where that is too much."""
        self._taken += count
        fair = LARGEST_RATIO * self._packed()
        allowed = self._budget.take(count, min(count, max(0, self._taken - fair)))
        if not allowed or (self._skipped and self._taken > max(FREE_BYTES, fair)):
            raise Unreadable(f"unpacks to more than {LARGEST_RATIO} times its size")


class Stream(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""
        ...


class Tap:
    """Bytes that are read once, and seen by whoever wants to see all of them.

    Attributes:
        position: the offset of what is read next.
        problem: why the bytes end before their end, in words; None if they do not.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._data = b""  # what was read of the stream last
        self._at = 0  # how much of it was read of this
        self._watchers: list[Callable[[bytes], object]] = []
        self.position = 0
        self.problem: str | None = None

    def watch(self, watcher: Callable[[bytes], object]) -> None:
        """Hand ``watcher`` all that comes from here on."""
        if self._at < len(self._data):
            watcher(self._data[self._at :])
        self._watchers.append(watcher)

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or what there is before the end, and have them be read still."""
        while len(self._data) - self._at < size and (more := self._more()):
            self._data, self._at = self._data[self._at :] + more, 0
        return self._data[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, fewer at times, and none at the end."""
        if self._at >= len(self._data):
            self._data, self._at = self._more(), 0
        data = self._data[self._at : self._at + size]
        self._at += len(data)
        self.position += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes, or what there is before the end."""
        data = self.peek(size)
        self._at += len(data)
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        """Have ``data``, which was read last, be read again."""
        self.position -= len(data)
        if self._at >= len(data):
            self._at -= len(data)
        else:
            self._data, self._at = data + self._data[self._at :], 0

    def _more(self) -> bytes:
        if self.problem is not None:
            return b""
        try:
            data = self._stream.read(CHUNK) or b""
        except Unreadable as error:
            self.problem = str(error)
            return b""
        for watcher in self._watchers:
            watcher(data)
        return data


@dataclass(frozen=True)
class Member:
    """A file in another one.

    Attributes:
        name: its path in there, as it is told; may be anything.
        content: what it unpacks to.
        begin: where its packed bytes begin in the outer file.
        end: where they end, as far as that is known before they are read.
        problem: why it cannot be unpacked at all, in words.
    """

    name: str
    content: Tap
    begin: int = 0
    end: int = 0
    problem: str | None = None


class Part:
    """A part of a file that can be sought in."""

    def __init__(self, file: IO[bytes], begin: int, size: int) -> None:
        self._file = file
        self._at = begin
        self._left = max(0, size)

    def read(self, size: int, /) -> bytes:
        """See ``Stream``."""
        if not self._left:
            return b""
        with contextlib.suppress(ValueError, OverflowError):  # a position that no file has
            self._file.seek(self._at)
            data = self._file.read(min(size, self._left))
            self._at += len(data)
            self._left -= len(data)
            return data
        return b""


class Limited:
    """The next bytes of a tap, and no more. They are read when they are wanted."""

    def __init__(self, tap: Tap, size: int) -> None:
        self._tap = tap
        self.left = size

    def read(self, size: int, /) -> bytes:
        """See ``Stream``."""
        if self.left <= 0:
            return b""
        data = self._tap.read(min(size, self.left))
        if not data:
            raise Unreadable("ends too early")
        self.left -= len(data)
        return data
