"""Which Python a project wants, as its files tell."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_PINNED = re.compile(r"(?:cpython[-@]?)?(\d+\.\d+(?:\.\d+(?![.a-z\d]))?)[-.+a-z_\d]*")
_OTHER = re.compile(r"(?:pypy|graalpy).*|.*freethreaded.*|(?:cpython[-@]?)?\d+\.\d+(?:\.\d+)?t")
_USUAL = ("3.12", "3.13", "3.11", "3.14", "3.10")
"""The versions that are taken where there is a choice, the best first."""


def pinned_python(text: str) -> str | None:
    """Return the version that the text of a ``.python-version`` names, as ``3.12`` or ``3.12.4``, or ``None``.

    The first line that is no comment counts, as for pyenv and uv; of a version before its release only ``3.14``.
    """
    wanted = _named(text)
    found = None if _OTHER.fullmatch(wanted) else _PINNED.fullmatch(wanted)
    return found[1] if found else None


def other_python(text: str) -> str | None:
    """Return what the text of a ``.python-version`` names where that is another Python than the usual one."""
    wanted = _named(text)
    return wanted if _OTHER.fullmatch(wanted) else None


def admits(specifiers: SpecifierSet, version: str) -> bool:
    """Return whether ``version`` is allowed; ``3.12`` is the latest of its patches, whichever that is."""
    return specifiers.contains(version if version.count(".") > 1 else f"{version}.99", prereleases=True)


def minor(version: str) -> str:
    """Return ``3.12`` of ``3.12.4``."""
    return ".".join(version.split(".")[:2])


def allowed_python(requires_python: str) -> str:
    """Return a version that ``requires-python`` allows, as ``3.12``, or ``3.11.4`` where only that one is allowed.

    What is no specifier, or allows none that is known, counts as any (packaging.python.org, "Version specifiers").
    """
    try:
        specifiers = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return _USUAL[0]
    named = [version for one in specifiers if (version := _version(one.version)) is not None]
    around = [(one.major, minor) for one in named for minor in (one.minor, one.minor - 1) if minor >= 0]
    for candidate in (*_USUAL, *(f"{major}.{minor}" for major, minor in sorted(around, reverse=True))):
        if admits(specifiers, candidate):
            return candidate
    return next((str(one) for one in sorted(named, reverse=True) if specifiers.contains(one)), _USUAL[0])


def _named(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def _version(text: str) -> Version | None:
    try:
        return Version(text.removesuffix(".*"))
    except InvalidVersion:  # of `===`
        return None
