"""What a fetch prints: through a pipe, and only its end is kept, for a loop that prints would fill the disk."""

from __future__ import annotations

import contextlib
import os
import re

_KEPT = 1 << 20  # bytes; there are never more than twice as many in the file
_CHUNK = 1 << 16
_CUT = "… (what came before is not kept)\n".encode()
_LINE_END = re.compile(rb"[\r\n]")


class Printed:
    """The output of one fetch on its way into a file.

    Attributes:
        pipe: the end that is read, here.
        end: the end that the fetch writes to.
        ended: whether nobody writes to it any more.
        closed: whether it is not read any more.
    """

    def __init__(self, path: str) -> None:
        self.pipe, self.end = os.pipe()
        self._path = path
        self._size = 0
        self._within_line = False
        self.ended = False
        self.closed = False
        os.set_blocking(self.pipe, False)

    def take(self) -> bool:
        """Keep what has come of the output; return whether something has come."""
        if self.closed:
            return False
        try:
            chunk = os.read(self.pipe, _CHUNK)
        except BlockingIOError:
            return False
        self.ended = not chunk
        with contextlib.suppress(OSError):  # no space: a fetch does not fail for what it prints
            self._keep(chunk)
        return not self.ended

    def close(self) -> None:
        """Keep what is left, and close the pipe; the fetch has ended."""
        for _ in range(_KEPT // _CHUNK):  # something that could not be ended may go on
            if not self.take():
                break
        self.closed = True
        os.close(self.pipe)

    def _keep(self, chunk: bytes) -> None:
        log = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._size + len(chunk) > 2 * _KEPT:
                chunk = os.pread(log, _KEPT, self._size - _KEPT) + chunk
                self._within_line = True
                os.ftruncate(log, 0)
                self._size = os.pwrite(log, _CUT, 0)
            self._size += os.pwrite(log, self._whole_lines(chunk), self._size)
        finally:
            os.close(log)

    def _whole_lines(self, chunk: bytes) -> bytes:
        """Return ``chunk`` without the rest of a line whose beginning is not kept: half a secret would be no secret."""
        if self._within_line:
            end = _LINE_END.search(chunk)
            self._within_line = end is None
            return chunk[end.end() :] if end else b""
        return chunk
