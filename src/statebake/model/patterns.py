"""Patterns that select keys: ``*`` is any text, ``?`` one character, and everything else, brackets too, is itself.

Keys are written ``ClassName[discriminator]``, so the character classes of ``fnmatch`` would never match what is meant.
"""

from __future__ import annotations

import re
from functools import lru_cache


def matches(pattern: str, text: str) -> bool:
    """Return whether ``pattern`` matches the whole of ``text``; case counts."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL)
