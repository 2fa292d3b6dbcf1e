"""Searching what was fetched for secrets, while it is read to be digested, so that none reaches the committed state."""

from __future__ import annotations

import hashlib
import io
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from statebake.config import SecretSettings
from statebake.errors import Code, StatebakeError
from statebake.hygiene import Hit, Place, Searcher, judge
from statebake.model.finding import Finding, Severity
from statebake.model.tree import TreeFile, go_on, read_each

_MOST_LINES = 10


@dataclass
class StateSearch:
    """The search of one key's state. ``searcher`` is that of all keys; ``None``: nothing is searched.

    ``pulse`` is called again and again while files are read, and ends that by raising.
    """

    searcher: Searcher | None
    settings: SecretSettings
    pulse: Callable[[], None] = go_on

    def __post_init__(self) -> None:
        self._hits: list[Hit] = []
        if self.settings.mode == "off" or self.searcher is None:
            self.searcher = None
        else:
            self.searcher = self.searcher.again()  # what it could not read is this key's own

    def read(self, files: Sequence[TreeFile]) -> Iterable[str]:
        """Read files once: search them, and return the SHA-256 of each, in hexadecimal."""
        if self.searcher is None:
            return read_each(files, self.pulse)
        digests: list[str] = []
        self._hits += self.searcher.search_all(_digested(files, digests, self.pulse))
        return digests

    def findings(self, key: str, where: str) -> tuple[Finding, ...]:
        """Return what was found, errors first; raises ``StatebakeError`` where a secret was, with all of them in it.

        The key is searched as well: it is written down, and names the directory.
        """
        if self.searcher is not None:
            self._hits += self.searcher.search("its key", io.BytesIO(key.encode("utf-8", "surrogatepass")))
        found = judge(
            self._hits,
            lambda path: Place(key, path, where, self.settings),
            mend="have the component leave it out",
            scrub=f"statebake refresh --scrub --key {shlex.quote(key)}",
        )
        errors = [item for item in found if item.severity is Severity.ERROR]
        if errors:
            raise _refused(key, errors)
        unread = self.searcher.unread if self.searcher else []
        return (*found, *(_not_searched(key, where, sentence) for sentence in unread[:_MOST_LINES]))


def _not_searched(key: str, where: str, sentence: str) -> Finding:
    return Finding(
        Code.NOT_SEARCHED,
        Severity.WARNING,
        key,
        sentence,
        where,
        "have the component write it as something that can be read, or leave it out with `exclude`",
    )


def _refused(key: str, errors: Sequence[Finding]) -> StatebakeError:
    first, *others = errors
    lines = [item.message for item in others[:_MOST_LINES]]
    if len(others) > _MOST_LINES:
        lines.append(f"and {len(others) - _MOST_LINES} more")
    return StatebakeError(
        first.code,
        f"What the fetch of {key!r} wrote has a secret in it: {first.message}",
        where=first.where,
        next_step=first.next_step,
        detail="\n".join(lines) or None,
    )


def _digested(
    files: Iterable[TreeFile], digests: list[str], pulse: Callable[[], None]
) -> Iterator[tuple[str, BinaryIO, int]]:
    """Yield files to be read to their ends, one after another, and note their digests."""
    for file in files:
        with file.source.open("rb") as source:
            stream = _Digesting(source, pulse)
            yield file.path, cast("BinaryIO", stream), file.size
            digests.append(stream.digest.hexdigest())


class _Digesting(io.RawIOBase):
    """A stream that digests what is read of it."""

    def __init__(self, source: BinaryIO, pulse: Callable[[], None]) -> None:
        super().__init__()
        self._source = source
        self._pulse = pulse
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._pulse()
        view = memoryview(cast("bytearray", buffer)).cast("B")
        count = cast("io.BufferedReader", self._source).readinto(view)
        self.digest.update(view[:count])
        return count
