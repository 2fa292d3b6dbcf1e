"""Giving a wheel a version of its own for its state: what that changes in it; no I/O.

Sources: PyPA specifications, "Version specifiers" (local version identifiers), "Binary distribution format" and "Core
metadata".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = 12
_SUFFIXES = ("dist-info", "data")
_HEADER = re.compile(rb"^(version[ \t]*:[ \t]*)([^\r\n]*?)([ \t]*\r?)$", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class LocalVersion:
    """What all names of a version get at their end."""

    label: str

    @classmethod
    def of_state(cls, digest: str) -> LocalVersion:
        """Return the one for the state that has this SHA-256, in hexadecimal."""
        digits = digest[:_DIGITS]
        # A label of digits only is a number, which no tool writes with zeros in front.
        return cls(f"state.{int(digits) if digits.isdecimal() else digits}")

    def of(self, version: str) -> str:
        """Return a version with the label, also where it has a local one already."""
        return f"{version}{'.' if '+' in version else '+'}{self.label}"

    def file_name(self, name: str) -> str:
        """Return the name of a wheel's file; raises ``ValueError`` where ``name`` is none."""
        parts = name.split("-")
        if len(parts) not in {5, 6}:
            raise ValueError(f"its name, {name}, has no version")
        return "-".join([parts[0], self.of(parts[1]), *parts[2:]])

    def path(self, path: str, named: str) -> str:
        """Return the path of a file in a wheel that is ``named`` ``shop-1``: those of the metadata, and of schemes for
        other places, begin with that.
        """
        top, slash, rest = path.partition("/")
        name, dot, suffix = top.rpartition(".")
        return f"{self.of(name)}{dot}{suffix}{slash}{rest}" if name == named and suffix in _SUFFIXES else path

    def metadata(self, content: bytes) -> bytes:
        """Return a ``METADATA`` file with the version; raises ``ValueError`` where it has none, or more than one."""
        end = _END_OF_HEADERS.search(content)
        headers = content[: end.start()] if end else content
        versions = list(_HEADER.finditer(headers))
        if len(versions) != 1:
            raise ValueError(f"its METADATA has {'more than one' if versions else 'no'} Version")
        found = versions[0]
        version = self.of(found[2].decode("utf-8", "replace")).encode()
        return headers[: found.start(2)] + version + content[found.end(2) :]
