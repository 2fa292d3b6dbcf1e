"""Searching files, and what is packed into them, for what must not ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from statebake.hygiene.secrets import Secret


@dataclass(frozen=True)
class Literal:
    """A further value that must not ship, as it is: a path of the building machine.

    Attributes:
        value: its bytes.
        rule: a short stable id, for allow lists.
        what: what it is, for people.
    """

    value: bytes = field(repr=False)
    rule: str
    what: str


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


def _any_name(path: str) -> str | None:
    del path
    return None


class Searcher:
    """Searches streams.

    Attributes:
        unread: a sentence for each file that could not be unpacked, or not wholly; its bytes were searched as they are.
    """

    def __init__(
        self,
        secrets: Sequence[Secret],
        *,
        formats: bool = True,
        literals: Sequence[Literal] = (),
        judge_name: Callable[[str], str | None] = _any_name,
    ) -> None:
        """Prepare a search.

        ``formats`` is whether well-known tokens, private keys and URLs with credentials count too. ``judge_name`` is
        handed the path of every file within the innermost archive, and returns in words what is wrong with it, if
        anything is.
        """
        self.unread: list[str] = []
        self._judge_name = judge_name
        del secrets, formats, literals

    def search(self, path: str, stream: BinaryIO, size: int | None = None) -> Iterator[Hit]:
        """Yield what is found in ``stream``, read once from where it stands; ``size`` is its length, if known."""
        del stream, size
        if (what := self._judge_name(path)) is not None:
            yield Hit(path, None, "file-name", what)
