"""Finding literals with the standard library alone: the C library's ``strstr`` where it is fast, else ``bytes.find``.

glibc's ``strstr`` reads tens of gigabytes a second on x86-64, far more than its ``memmem`` or ``bytes.find``, so that
one pass for each needle is faster than one clever pass for all. It ends at a zero byte: hence the haystack is copied
first, with zeros replaced, and with what makes no difference between forms of a secret made equal: the case of
hexadecimal digits, and the two alphabets of base64. One needle then stands for several; whether it really is one of
them is seen at the place.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence

from statebake.hygiene.matchers.base import Needle

_FOLD = bytes.maketrans(b"ABCDEF+/\0", b"abcdef-_\1")


class LibcMatcher:
    """Finds needles one after another.

    ``portable`` is for machines whose C library has no fast search: the same with ``bytes.find``.
    """

    def __init__(self, needles: Sequence[Needle], *, portable: bool | None = None) -> None:
        self._strstr = None if portable else _strstr()
        self.name = "bytes.find" if self._strstr is None else "strstr"
        # By folded text: the needles that it stands for.
        self._by_text: dict[bytes, list[tuple[int, Needle]]] = {}
        for number, needle in enumerate(needles):
            self._by_text.setdefault(needle.data.translate(_FOLD), []).append((number, needle))
        self._texts = tuple(self._by_text)
        self._texts_without_zeros = tuple(
            text for text, entries in self._by_text.items() if any(b"\0" not in needle.data for _, needle in entries)
        )

    def find(self, haystack: bytes) -> Iterator[tuple[int, int]]:
        """See ``Matcher``."""
        folded = haystack.translate(_FOLD)
        texts = self._texts if b"\0" in haystack else self._texts_without_zeros
        if self._strstr is None:
            occurring = [text for text in texts if text in folded]
        else:
            strstr = self._strstr
            occurring = [text for text in texts if strstr(folded, text)]
        for text in occurring:
            left = list(self._by_text[text])
            for at in self._places(folded, text):
                for entry in tuple(left):
                    number, needle = entry
                    if haystack.startswith(needle.data, at):
                        yield number, at
                        if needle.once:
                            left.remove(entry)
                if not left:
                    break

    def _places(self, folded: bytes, text: bytes) -> Iterator[int]:
        if self._strstr is None:
            at = folded.find(text)
            while at >= 0:
                yield at
                at = folded.find(text, at + 1)
            return
        begin = ctypes.cast(ctypes.c_char_p(folded), ctypes.c_void_p).value
        assert begin is not None
        address = self._strstr(begin, text)
        while address:
            yield address - begin
            address = self._strstr(address + 1, text)


def _strstr() -> Callable[[bytes | int, bytes], int | None] | None:
    """Return glibc's function; other C libraries have slow ones."""
    try:
        library = ctypes.CDLL(None)
        _ = library.gnu_get_libc_version
        function = library.strstr
    except (OSError, AttributeError, TypeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return function
