"""Giving a wheel or a source distribution a version of its own for its state: what that changes in it; no I/O.

Sources: PyPA specifications, "Version specifiers" (local version identifiers), "Binary distribution format", "Source
distribution format" and "Core metadata".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = 12
_SUFFIXES = ("dist-info", "data")
_SDIST = ".tar.gz"
_TELLING = re.compile(rb"[+.]state\.[0-9a-f]{1,12}$")
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
        """Return a version with the label, once: also where it has a local one already.

        That of a source distribution is what some backends give the wheel that they build of it.
        """
        if version.endswith((f"+{self.label}", f".{self.label}")):
            return version
        return f"{version}{'.' if '+' in version else '+'}{self.label}"

    def file_name(self, name: str) -> str:
        """Return the name of a wheel's file; raises ``ValueError`` where ``name`` is none."""
        parts = name.split("-")
        if len(parts) not in {5, 6}:
            raise ValueError(f"its name, {name}, has no version")
        return "-".join([parts[0], self.of(parts[1]), *parts[2:]])

    def sdist_name(self, name: str) -> str:
        """Return the name of a source distribution's file; raises ``ValueError`` where ``name`` is none."""
        if not name.endswith(_SDIST) or "-" not in name:
            raise ValueError(f"its name, {name}, has no version")
        return self.sdist_top(name.removesuffix(_SDIST)) + _SDIST

    def sdist_top(self, top: str) -> str:
        """Return the name of the directory in it, ``shop-1``."""
        name, dash, version = top.rpartition("-")
        return f"{name}{dash}{self.of(version)}"

    def path(self, path: str, named: str) -> str:
        """Return the path of a file in a wheel that is ``named`` ``shop-1``: those of the metadata, and of schemes for
        other places, begin with that.
        """
        top, slash, rest = path.partition("/")
        name, dot, suffix = top.rpartition(".")
        return f"{self.of(name)}{dot}{suffix}{slash}{rest}" if name == named and suffix in _SUFFIXES else path

    def metadata(self, content: bytes, name: str = "METADATA") -> bytes:
        """Return the file of metadata with the version; raises ``ValueError`` where it has none, or more than one."""
        versions = _versions(content)
        if len(versions) != 1:
            raise ValueError(f"its {name} has {'more than one' if versions else 'no'} Version")
        found = versions[0]
        version = self.of(found[2].decode("utf-8", "replace")).encode()
        return content[: found.start(2)] + version + content[found.end(2) :]


def tells_state(metadata: bytes) -> bool:
    """Return whether the version in a file of metadata tells a state."""
    return any(_TELLING.search(found[2]) for found in _versions(metadata))


def _versions(content: bytes) -> list[re.Match[bytes]]:
    end = _END_OF_HEADERS.search(content)
    return list(_HEADER.finditer(content[: end.start()] if end else content))
