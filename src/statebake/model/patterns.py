"""Patterns that select keys: ``*`` is any text, ``?`` one character, and everything else, brackets too, is itself.

Keys are written ``ClassName[discriminator]``, so the character classes of ``fnmatch`` would never match what is meant.
"""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether ``pattern`` matches the whole of ``text``; case counts.

    Takes at most the product of both lengths, unlike a regular expression with many stars.
    """
    at = in_pattern = 0
    star = after_star = -1  # the last star, and where its text ends so far
    while at < len(text):
        if in_pattern < len(pattern) and pattern[in_pattern] == "*":
            star, after_star = in_pattern, at
            in_pattern += 1
        elif in_pattern < len(pattern) and pattern[in_pattern] in {"?", text[at]}:
            at += 1
            in_pattern += 1
        elif star >= 0:
            after_star += 1
            at, in_pattern = after_star, star + 1
        else:
            return False
    return pattern[in_pattern:].strip("*") == ""
