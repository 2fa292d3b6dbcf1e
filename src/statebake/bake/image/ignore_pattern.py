"""One pattern of a ``.dockerignore``, matched as the engine's client matches it.

Source: ``patternmatcher.go`` of https://github.com/moby/patternmatcher, v0.6, on a Unix system. Its documentation
promises the patterns of Go's ``filepath.Match`` and ``**``; what it does is more and less, and decides which files
are lost. The surprising parts, each kept here:

- A pattern with neither wildcards nor backslashes is compared as text, and matches no directory's contents by itself.
- ``dir/**`` is every path that starts with ``dir/``, and ``dir**`` every path that starts with ``dir``.
- ``**name`` is every path that ends with ``name``; ``a**b`` is ``a`` + any directories + ``b``.
- All else becomes a regular expression sign by sign, without regard to ``[]``: in ``[*]`` the star is a wildcard.
- ``{``, ``}``, ``|`` and ``^`` are not escaped in that expression and mean there what they mean in expressions.
- A backslash goes into the expression too, so that ``\\d`` is a digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from statebake.bake.image.go_regexp import compile_go

Kind = Literal["exact", "prefix", "suffix", "regexp"]

_ESCAPED = frozenset(".+()$")
_SPECIAL = re.compile(r"[*?\[\]\\^|{}]")
# Go's `filepath.Match` decides whether a pattern is one: classes are not empty, `-` is between two signs, and a
# backslash is before one.
_SIGN = r"(?:\\.|[^\\\]\-])"
_VALID = re.compile(rf"(?:\\.|\[(?:\^|(?!\^))(?:{_SIGN}(?:-{_SIGN})?)+\]|[^\\\[])*", re.DOTALL)
# What Go strips at the ends of a line: Unicode's White_Space. Python's `str.strip` strips more.
SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_BOM = "\ufeff"


@dataclass(frozen=True)
class Pattern:
    """One pattern, cleaned and without its ``!``; ``kind`` is how it is matched, and ``text`` what with."""

    kind: Kind
    text: str
    expression: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Return whether the pattern matches ``path`` itself; it may match a directory above it nevertheless."""
        if self.expression is not None:
            return self.expression.search(path) is not None
        if self.kind == "prefix":
            return path.startswith(self.text)
        if self.kind == "suffix":
            return path.endswith(self.text) or f"/{path}" == self.text
        return path == self.text


def compile_pattern(pattern: str) -> Pattern:
    """Return ``pattern`` (cleaned, without its ``!``) ready to be matched.

    Raises ``ValueError`` with the reason for a pattern that the engine refuses. An engine notices some of these only
    when it first asks them, which it may never do; here they are refused in every case, and Unicode classes too.
    """
    if not _VALID.fullmatch(pattern):
        raise ValueError("a `[` or a `\\` in it is not complete")
    expression, kind = _expression(pattern)
    if kind == "regexp":
        return Pattern(kind, pattern, compile_go(expression))
    return Pattern(kind, {"exact": pattern, "prefix": pattern[:-2], "suffix": pattern[2:]}[kind])


def any_of(patterns: Sequence[Pattern]) -> Callable[[str], bool]:
    """Return what tells, faster than one by one, whether any of ``patterns`` matches a path."""
    exact = {pattern.text for pattern in patterns if pattern.kind == "exact"}
    prefixes = tuple(pattern.text for pattern in patterns if pattern.kind == "prefix")
    suffixes = tuple(pattern.text for pattern in patterns if pattern.kind == "suffix")
    exact.update(suffix[1:] for suffix in suffixes if suffix.startswith("/"))
    expressions = [pattern.expression.pattern for pattern in patterns if pattern.expression]
    together = re.compile("|".join(f"(?:{expression})" for expression in expressions) or r"[^\s\S]", re.ASCII)
    # What has no alternatives starts at the start of the path, and need not be looked for at every sign of it.
    find = together.search if any("|" in expression for expression in expressions) else together.match

    def matches(path: str) -> bool:
        return path in exact or path.startswith(prefixes) or path.endswith(suffixes) or find(path) is not None

    return matches


def literal(path: str) -> str:
    """Return the pattern that matches ``path`` alone, at the start of a line or after its ``!``, and before ``/``."""
    escaped = _SPECIAL.sub(r"\\\g<0>", path).replace("\n", "?")  # a line cannot hold it; `?` is any one sign
    if escaped[:1] in {"!", "#"}:
        escaped = f"\\{escaped}"
    if escaped[:1] in {*SPACE, _BOM}:
        escaped = f"[{escaped[0]}]{escaped[1:]}"
    return f"{escaped[:-1]}[{escaped[-1]}]" if escaped[-1:] in {*SPACE} else escaped


def _expression(pattern: str) -> tuple[str, Kind]:
    """Return the expression that a pattern becomes, and how the pattern is matched: only ``regexp`` looks at it."""
    found = ["^"]
    kind: Kind = "exact"
    at = 1 if pattern.startswith(_BOM) else 0  # Go's scanner takes it for the mark of a file
    start = at
    while at < len(pattern):
        sign = pattern[at]
        first = at == start
        at += 1
        if sign == "*" and pattern.startswith("*", at):
            at += 2 if pattern.startswith("*/", at) else 1
            if at < len(pattern):
                found.append("(.*/)?")
                kind = "regexp"
            elif kind == "exact":
                kind = "prefix"
            else:
                found.append(".*")
                kind = "regexp"
            if first:
                kind = "suffix"
        elif sign in "*?":
            found.append("[^/]*" if sign == "*" else "[^/]")
            kind = "regexp"
        elif sign in _ESCAPED:
            found.append(f"\\{sign}")
        elif sign == "\\":
            found.append(f"\\{pattern[at]}")
            kind = "regexp"
            at += 1
        else:
            found.append(sign)
            if sign in "[]":
                kind = "regexp"
    return "".join(found) + "$", kind
