"""Searching files, and what is packed into them, for what must not ship."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import BinaryIO

from statebake.hygiene.hits import Hit
from statebake.hygiene.matchers import Matcher, Needle, best_matcher
from statebake.hygiene.patterns import Literal, Patterns
from statebake.hygiene.secrets import Secret
from statebake.hygiene.walk import FILE_NAME, Walk

__all__ = ["FILE_NAME", "Hit", "Literal", "Searcher"]


def any_name(_: str) -> str | None:
    """Return that there is nothing wrong with a file's name."""
    return None


class Searcher:
    """Searches files.

    Attributes:
        unread: a sentence for each file that could not be unpacked, or not wholly; its bytes were searched as they are.
        matcher: what finds the values, for people: ``hyperscan``, ``strstr``.
    """

    def __init__(
        self,
        secrets: Sequence[Secret],
        *,
        formats: bool = True,
        literals: Sequence[Literal] = (),
        judge_name: Callable[[str], str | None] = any_name,
        matcher: Callable[[Sequence[Needle]], Matcher] = best_matcher,
    ) -> None:
        """Prepare a search.

        ``formats`` is whether well-known tokens, private keys and URLs with credentials count too. ``judge_name`` is
        handed the path of every file, within the innermost archive if it is in one, and returns in words what is wrong
        with it, if anything is. ``matcher`` makes what finds the values.
        """
        self._patterns = Patterns(secrets, formats=formats, literals=literals, matcher=matcher)
        self._judge_name = judge_name
        self.matcher = self._patterns.matcher.name
        self.unread: list[str] = []

    def again(self) -> Searcher:
        """Return the same search, with what it could not read counted from here on."""
        other = copy(self)
        other.unread = []
        return other

    def search(self, path: str, stream: BinaryIO, size: int | None = None) -> Iterator[Hit]:
        """Yield what is found in ``stream``, from where it stands to its end; ``size`` is how much that is, if known.

        Everything is told once, in no order. Nothing is raised but what ``stream`` raises itself.
        """
        return self.search_all([(path, stream, size)])

    def search_all(self, files: Iterable[tuple[str, BinaryIO, int | None]]) -> Iterator[Hit]:
        """Yield what is found in many files, as ``search`` does: small ones are searched together, which is faster.

        Each file is a path, a stream, and its size if that is known. The next one is asked for when a stream has been
        read to its end, and is not needed any more.
        """
        return Walk(self._patterns, self._judge_name, self.unread).search(files)
