"""What was found, told once: a secret that is stored in an archive is in the archive's own bytes as well."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from statebake.hygiene.patterns import Subject

_MOST_HELD = 10_000

Kinds = set[tuple[str, str]]
"""What was found, whatever its place: rules and words."""


@dataclass(frozen=True)
class Hit:
    """Something that must not ship.

    Attributes:
        path: the file; what is packed into others is ``layer.tar!app/x.whl!pkg/a.json``.
        offset: the byte in the innermost file, as it is unpacked; None where it is the file's name that is bad.
        rule: a short stable id, for allow lists: the variable's name, ``github-token``, ``file-name``.
        what: what was found, for people; never the value.
        name: the variable whose value it is; None where it is no variable's.
    """

    path: str
    offset: int | None
    rule: str
    what: str
    name: str | None = None


@dataclass(frozen=True)
class Teller:
    """Tells what is found in one file.

    Attributes:
        path: the file.
        hits: gets what is found.
        around: what was found in each file that this one is packed into.
    """

    path: str
    hits: deque[Hit]
    around: tuple[Kinds, ...] = ()

    def __call__(self, offset: int, subject: Subject) -> None:
        """Tell of something."""
        for kinds in self.around:
            kinds.add((subject.rule, subject.what))
        self.hits.append(Hit(self.path, offset, subject.rule, subject.what, subject.name))

    def inside(self, name: str, kinds: Kinds | None = None) -> Teller:
        """Return what tells of a file in this one; ``kinds`` is to have what is found there too."""
        return Teller(f"{self.path}!{name}", self.hits, self.around if kinds is None else (*self.around, kinds))


class Held:
    """Keeps what is found in an archive's own bytes until it is known what its members have."""

    def __init__(self, tell: Teller) -> None:
        self._tell = tell
        self._held: list[tuple[int, Subject]] = []
        self._known: Kinds | None = None

    def __call__(self, offset: int, subject: Subject) -> None:
        """Keep something, or, when all is known, tell of it."""
        if self._known is None and len(self._held) < _MOST_HELD:
            self._held.append((offset, subject))
        elif (subject.rule, subject.what) not in (self._known or ()):
            self._tell(offset, subject)

    def __bool__(self) -> bool:
        """Return whether there is anything."""
        return bool(self._held)

    def drop(self, begin: int, end: int, known: Kinds) -> None:
        """Forget what lies between two offsets and is of a kind that is known."""
        self._held = [
            (offset, subject)
            for offset, subject in self._held
            if not (begin <= offset < end and (subject.rule, subject.what) in known)
        ]

    def settle(self, known: Kinds) -> None:
        """Tell of all that is not of a kind that is known, now and later; ``known`` may grow."""
        held, self._held, self._known = self._held, [], known
        for offset, subject in held:
            self(offset, subject)
