"""Single compressed streams: gzip, zlib, bzip2, xz and Zstandard, as far as this Python has them."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from statebake.hygiene.unpack.base import CHUNK, Budget, Share, Tap, Unreadable

_MOST_MEMORY = 1 << 28
_FIRST_PIECE = 1 << 12  # what comes after a short stream is copied


class Decompressor(Protocol):
    """What ``bz2``, ``lzma`` and ``compression.zstd`` have."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class Inflater:
    """zlib's decompressor as the other ones are; ``wbits`` as for ``zlib.decompressobj``."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        """Return what ``data`` and what came before unpack to, at most ``max_length`` bytes."""
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


class Unpacked:
    """What a compressed stream unpacks to. Raises ``Unreadable`` where it cannot be unpacked any further.

    ``again`` is what a further stream begins with, which continues the first: gzip's members. Bytes that come after the
    last one are left in ``source``. ``skipped`` is whether what comes after it can be read without it.
    """

    def __init__(
        self,
        source: Tap,
        new: Callable[[], Decompressor],
        budget: Budget,
        *,
        again: bytes | None = None,
        skipped: bool = False,
    ) -> None:
        self._source = source
        self._new = new
        self._now: Decompressor | None = new()
        begin = source.position
        self._share = Share(budget, lambda: source.position - begin, skipped=skipped)
        self._again = again
        self._piece = _FIRST_PIECE

    def read(self, size: int, /) -> bytes:
        """See ``Stream``."""
        while self._now is not None:
            data = b""
            if self._now.needs_input:
                if not (data := self._source.read(self._piece)):
                    raise Unreadable("ends too early")
                self._piece = min(4 * self._piece, CHUNK)
            try:
                out = self._now.decompress(data, size)
            except MemoryError:
                raise Unreadable("needs too much memory to be unpacked") from None
            except Exception as error:
                if not isinstance(error, (ValueError, OSError, EOFError, *_ERRORS)):
                    raise
                raise Unreadable("is broken") from None
            if self._now.eof:
                self._source.unread(self._now.unused_data)
                more = self._again is not None and self._source.peek(len(self._again)).startswith(self._again)
                self._now = self._new() if more else None
                self._piece = _FIRST_PIECE
            if out:
                self._share.take(len(out))
                return out
        return b""


@dataclass(frozen=True)
class Compression:
    """A kind of compressed file.

    Attributes:
        magic: how such a file begins.
        suffixes: how its name ends, and what that becomes when it is unpacked.
        new: makes a decompressor; None where this Python has none.
    """

    name: str
    magic: bytes
    suffixes: tuple[tuple[str, str], ...]
    new: Callable[[], Decompressor] | None


def _bzip2() -> Callable[[], Decompressor] | None:
    try:
        bz2 = importlib.import_module("bz2")
    except ImportError:
        return None
    return bz2.BZ2Decompressor  # type: ignore[no-any-return]


def _xz() -> Callable[[], Decompressor] | None:
    try:
        lzma = importlib.import_module("lzma")
    except ImportError:
        return None
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)


def _zstd() -> Callable[[], Decompressor] | None:
    try:
        zstd = importlib.import_module("compression.zstd")  # since Python 3.14
    except ImportError:
        return None
    options = {zstd.DecompressionParameter.window_log_max: _MOST_MEMORY.bit_length() - 1}
    return lambda: zstd.ZstdDecompressor(options=options)


def _errors() -> tuple[type[Exception], ...]:
    found: list[type[Exception]] = [zlib.error]
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError")):
        try:
            found.append(getattr(importlib.import_module(module), name))
        except ImportError:
            continue
    return tuple(found)


_ERRORS = _errors()
COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b\x08", ((".tgz", ".tar"), (".svgz", ".svg"), (".gz", "")), lambda: Inflater(31)),
    Compression("bzip2", b"BZh", ((".tbz2", ".tar"), (".tbz", ".tar"), (".bz2", "")), _bzip2()),
    Compression("xz", b"\xfd7zXZ\0", ((".txz", ".tar"), (".xz", "")), _xz()),
    Compression("Zstandard", b"\x28\xb5\x2f\xfd", ((".tzst", ".tar"), (".zst", "")), _zstd()),
)
"""By what is most frequent."""


def compression_of(head: bytes) -> Compression | None:
    """Return what a file that begins with ``head`` is compressed with."""
    for kind in COMPRESSIONS:
        if head.startswith(kind.magic) and (kind.name != "bzip2" or head[4:10] in _BZIP2_BLOCKS):
            return kind
    return None


_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # of a block, and of a stream without any


def unpacked_name(path: str, kind: Compression) -> str:
    """Return the name of what ``path`` unpacks to."""
    name = path.rpartition("!")[2].rpartition("/")[2]
    for suffix, becomes in kind.suffixes:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)] + becomes
    return "unpacked"
