"""The mark of a generated file, by which a hand edit is found; no I/O.

Two lines: who made it, and the SHA-256 of all other lines (``# sha256:…``). They stand at the top, below only what a
Dockerfile must begin with (its parser directives).
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum

from statebake import __version__

_MADE_BY = "# Made by statebake "
_TOP = 20  # lines: further down, the mark is somebody's quotation
_DIGEST = re.compile(r"# sha256:(?P<digest>[0-9a-f]{64})")
# Dockerfile reference, "Parser directives": only comments of this form before anything else count.
_DIRECTIVE = re.compile(r"#\s*(?:syntax|escape|check)\s*=", re.IGNORECASE)


class FileState(Enum):
    """What is known of a file's text: somebody else wrote it, it is as generated, or it was changed since."""

    FOREIGN = "foreign"
    INTACT = "intact"
    EDITED = "edited"


def seal(text: str, how: str) -> str:
    """Return ``text`` with the mark; ``how`` says in one line which command made it, and what that goes by."""
    lines = _lines(text)
    top = 0
    while top < len(lines) and _DIRECTIVE.match(lines[top]):
        top += 1
    lines[top:top] = [f"{_MADE_BY}{__version__}: {how}"]
    lines[top + 1 : top + 1] = [f"# sha256:{_digest(lines)}"]
    return "".join(f"{line}\n" for line in lines)


def state_of(text: str) -> FileState:
    """Return whether a file with this text is as ``seal`` made it; how its lines end does not count."""
    lines = _lines(text)
    made = next((number for number, line in enumerate(lines[:_TOP]) if line.startswith(_MADE_BY)), None)
    if made is None:
        return FileState.FOREIGN
    found = _DIGEST.fullmatch(lines[made + 1]) if made + 1 < len(lines) else None
    if found is None:
        return FileState.EDITED
    return FileState.INTACT if found["digest"] == _digest(lines[: made + 1] + lines[made + 2 :]) else FileState.EDITED


def how_made(text: str) -> str | None:
    """Return what ``seal`` was told of how this text was made, ``None`` for one of somebody else's."""
    made = next((line for line in _lines(text)[:_TOP] if line.startswith(_MADE_BY)), None)
    return None if made is None else made.partition(": ")[2]


def same_but_how(one: str, other: str) -> bool:
    """Return whether two intact texts of one version differ by how they were made alone."""
    if FileState.INTACT is not state_of(one) or FileState.INTACT is not state_of(other):
        return False
    return _without_how(one) == _without_how(other)


def _without_how(text: str) -> list[str]:
    lines = _lines(text)
    made = next(number for number, line in enumerate(lines) if line.startswith(_MADE_BY))
    return [*lines[:made], lines[made].partition(": ")[0], *lines[made + 2 :]]


def _lines(text: str) -> list[str]:
    whole = text.rstrip("\r\n")
    return [line.rstrip("\r") for line in whole.split("\n")] if whole else []


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")).hexdigest()
