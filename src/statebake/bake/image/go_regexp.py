"""Regular expressions of Go, written as Python's.

Ignore rules become expressions of Go's ``regexp`` package in the engine, and rarely ones that mean the same to Python:
``[[:alpha:]]``, ``\\d`` and ``$`` are examples. Source: https://pkg.go.dev/regexp/syntax. Known here is what an ignore
rule can become: no flags, no groups with names, and no Unicode classes (``\\p{Greek}``), which are refused.
"""

from __future__ import annotations

import re

Ranges = tuple[tuple[int, int], ...]

_LAST = 0x10FFFF
_MOST_REPEATS = 1000
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}", re.ASCII)
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ANCHORS = {"A": r"\A", "z": r"\Z", "b": r"\b", "B": r"\B"}


def _ranges(signs: str) -> Ranges:
    return tuple((ord(low), ord(high)) for low, high in zip(signs[::2], signs[1::2], strict=True))


_PERL = {"d": _ranges("09"), "s": _ranges("\t\n\f\r  "), "w": _ranges("09AZ__az")}
_POSIX = {
    "alnum": _ranges("09AZaz"),
    "alpha": _ranges("AZaz"),
    "ascii": _ranges("\0\x7f"),
    "blank": _ranges("\t\t  "),
    "cntrl": _ranges("\0\x1f\x7f\x7f"),
    "digit": _ranges("09"),
    "graph": _ranges("!~"),
    "lower": _ranges("az"),
    "print": _ranges(" ~"),
    "punct": _ranges("!/:@[`{~"),
    "space": _ranges("\t\r  "),
    "upper": _ranges("AZ"),
    "word": _ranges("09AZ__az"),
    "xdigit": _ranges("09AFaf"),
}


def compile_go(source: str) -> re.Pattern[str]:
    """Return the Python pattern whose ``search`` finds what Go's ``MatchString`` finds.

    Raises ``ValueError`` with the reason for an expression that Go refuses, or that is not known here.
    """
    return re.compile(_Translation(source).run(), re.ASCII)


class _Translation:
    """One pass over an expression; every method reads on from ``at`` and returns Python's way to say it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def run(self) -> str:
        outer: list[list[str]] = []
        atoms: list[str] = []
        repeated = False  # whether the last thing read was a repetition: two in a row are an error
        while self.at < len(self.source):
            if repeat := self._repeat():
                if repeated or not atoms or atoms[-1] == "|":
                    raise ValueError("it repeats nothing, or a repetition")
                atoms[-1] = f"(?:{atoms[-1]}){repeat}"
                repeated = True
                continue
            repeated = False
            sign = self.source[self.at]
            if sign == "(":
                self.at += 1
                outer.append(atoms)
                atoms = []
            elif sign == ")":
                self.at += 1
                inner = "".join(atoms)
                atoms = [*outer.pop(), f"(?:{inner})"]
            elif sign == "|":
                self.at += 1
                atoms.append("|")
            else:
                atoms += self._atom()
        return "".join(atoms)

    def _repeat(self) -> str | None:
        if self.source[self.at] in "*?":
            self.at += 1
            return self.source[self.at - 1]
        found = _REPEAT.match(self.source, self.at)
        if found is None:
            return None
        low, high = int(found[1]), int(found[3] or found[1])
        if not low <= high <= _MOST_REPEATS:
            raise ValueError("it repeats something too often")
        self.at = found.end()
        return found[0]

    def _atom(self) -> list[str]:
        sign = self.source[self.at]
        if sign == "[":
            return [self._class()]
        if sign == "\\":
            return self._escaped()
        self.at += 1
        return [{"^": r"\A", "$": r"\Z", ".": r"[^\n]"}.get(sign) or re.escape(sign)]

    def _escaped(self) -> list[str]:
        name = self.source[self.at + 1 : self.at + 2]
        if name == "Q":  # everything up to \E is itself
            quoted, _, _ = self.source[self.at + 2 :].partition("\\E")
            self.at += len("\\Q") + len(quoted) + len("\\E")
            return [re.escape(sign) for sign in quoted]
        if name in _ANCHORS:
            self.at += 2
            return [_ANCHORS[name]]
        return [_as_class(self._perl_class() or self._character())]

    def _perl_class(self) -> Ranges | None:
        if self.source[self.at] != "\\":
            return None
        name = self.source[self.at + 1 : self.at + 2]
        if name.lower() not in _PERL:
            return None
        self.at += 2
        ranges = _PERL[name.lower()]
        return ranges if name.islower() else _complement(ranges)

    def _character(self) -> Ranges:
        """Read one character of a class, or an escaped one anywhere."""
        sign = self.source[self.at : self.at + 1]
        self.at += 1
        if sign != "\\":
            return ((ord(sign), ord(sign)),)
        name = self.source[self.at : self.at + 1]
        found = _HEX.match(self.source, self.at) or _OCTAL.match(self.source, self.at)
        if name in {"p", "P"}:
            raise ValueError("it has a Unicode class")
        if found:
            self.at = found.end()
            code = int(found[1] or found[2], 16) if name == "x" else int(found[0], 8)
        elif name in _CONTROLS or (name.isascii() and name and not name.isalnum()):
            self.at += 1
            code = _CONTROLS.get(name) or ord(name)
        else:
            raise ValueError(f"\\{name} means nothing")
        if code > _LAST:
            raise ValueError("it has a character that does not exist")
        return ((code, code),)

    def _class(self) -> str:
        self.at += 1
        negated = self.source.startswith("^", self.at)
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.source.startswith("]", self.at):
            first = False
            if self.at >= len(self.source):
                raise ValueError("a `[` is not closed")
            ranges += self._posix_class() or self._perl_class() or self._range()
        self.at += 1
        return _as_class(_complement(tuple(ranges)) if negated else tuple(ranges))

    def _posix_class(self) -> Ranges | None:
        end = self.source.find(":]", self.at + 2)
        if not self.source.startswith("[:", self.at) or end < 0:
            return None
        name = self.source[self.at + 2 : end]
        ranges = _POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise ValueError(f"there is no class [:{name}:]")
        self.at = end + 2
        return _complement(ranges) if name.startswith("^") else ranges

    def _range(self) -> Ranges:
        [(low, high)] = self._character()
        if self.source.startswith("-", self.at) and not self.source.startswith("-]", self.at):
            self.at += 1
            if self.at >= len(self.source):
                raise ValueError("a `[` is not closed")
            [(_, high)] = self._character()
        if high < low:
            raise ValueError("a range in `[]` runs backwards")
        return ((low, high),)


def _complement(ranges: Ranges) -> Ranges:
    found = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return (*found, (start, _LAST)) if start <= _LAST else tuple(found)


def _as_class(ranges: Ranges) -> str:
    if not ranges:
        return r"[^\s\S]"  # nothing at all
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]"
