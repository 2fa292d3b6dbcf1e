"""Everything that a search looks for, as one: the values with their forms, further literals, and formats."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from statebake.hygiene.formats import LONGEST, RULES, Rule, urls
from statebake.hygiene.forms import BASE64, forms_of
from statebake.hygiene.matchers import Matcher, Needle, best_matcher
from statebake.hygiene.secrets import Secret
from statebake.hygiene.wrapped import longest, pieces, wrapped_at
from statebake.redact import MASK

_RUN = re.compile(rb"[A-Za-z0-9]{8,}")


@dataclass(frozen=True)
class Literal:
    """A further value that must not ship, as it is: a path of the building machine.

    Attributes:
        value: its bytes; not empty.
        rule: a short stable id, for allow lists.
        what: what it is, for people.
    """

    value: bytes = field(repr=False)
    rule: str
    what: str


@dataclass(frozen=True)
class Subject:
    """What was found, wherever it was.

    Attributes:
        rank: of two that overlap the higher one counts: a value is known better than its format.
    """

    rule: str
    what: str
    name: str | None
    rank: int

    @property
    def is_secret(self) -> bool:
        """Return whether nobody may see it; a further literal may be seen."""
        return self.rank != _LITERAL


@dataclass(frozen=True)
class Match:
    """Something found in bytes, from ``start`` to ``end``."""

    start: int
    end: int
    subject: Subject


_VALUE, _LITERAL, _FORMAT = 2, 1, 0
_URL = Subject(urls.RULE_ID, urls.WHAT, None, _FORMAT)


@dataclass(frozen=True)
class _Whole:
    """What a needle may be part of: ``data``, ``before`` bytes of which come first; in lines, if it is ``wrapped``."""

    data: bytes
    before: int
    subject: Subject
    wrapped: bool = False

    @property
    def longest(self) -> int:
        return longest(self.data) if self.wrapped else len(self.data)

    def span(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where it begins and ends in ``data`` that has the needle at ``at``; None if it is not there."""
        if self.wrapped:
            return wrapped_at(self.data, self.before, data, at)
        start = at - self.before
        return (start, start + len(self.data)) if start >= 0 and data.startswith(self.data, start) else None


class Patterns:
    """What is looked for, ready to be.

    Attributes:
        longest: bytes; no match is longer.
        matcher: what finds the needles.
    """

    def __init__(
        self,
        secrets: Sequence[Secret],
        *,
        formats: bool,
        literals: Sequence[Literal],
        matcher: Callable[[Sequence[Needle]], Matcher] = best_matcher,
    ) -> None:
        wholes: dict[bytes, list[_Whole]] = {}
        for secret in secrets:
            for needle, whole in _values(secret):
                wholes.setdefault(needle, []).append(whole)
        for literal in literals:
            if literal.value:
                subject = Subject(literal.rule, literal.what, None, _LITERAL)
                wholes.setdefault(literal.value, []).append(_Whole(literal.value, 0, subject))
        rules: dict[bytes, list[tuple[Rule, Subject]]] = {}
        for rule in RULES if formats else ():
            for anchor in rule.anchors:
                rules.setdefault(anchor, []).append((rule, Subject(rule.id, rule.what, None, _FORMAT)))
        needles = [Needle(data) for data in (*wholes, *(anchor for anchor in rules if anchor not in wholes))]
        self._wholes = [wholes.get(needle.data, ()) for needle in needles]
        self._rules = [rules.get(needle.data, ()) for needle in needles]
        self._url_number = len(needles) if formats else -1
        if formats:
            needles.append(Needle(urls.ANCHOR, once=True))
        self.longest = max([LONGEST if formats else 1, *(whole.longest for some in self._wholes for whole in some)])
        self.matcher = matcher(needles)

    def find(self, data: bytes) -> list[Match]:
        """Return every match in ``data``, by where it starts; of those that overlap the one that tells most."""
        found: list[Match] = []
        for number, at in self.matcher.find(data):
            if number == self._url_number:
                found += (Match(start, end, _URL) for start, end in urls.urls_in(data))
                continue
            for whole in self._wholes[number]:
                if span := whole.span(data, at):
                    found.append(Match(*span, whole.subject))
            for rule, subject in self._rules[number]:
                if span := rule.span(data, at):
                    found.append(Match(*span, subject))
        return _apart(found)


def masked(patterns: Patterns, text: str) -> str:
    """Return ``text`` with a mask for each secret that is in it, so that it can be printed."""
    data = text.encode("utf-8", "surrogateescape")
    parts, at = [], 0
    for match in patterns.find(data):
        if match.subject.is_secret and match.end > at:
            parts.append(data[at : match.start])
            at = match.end
    return MASK.join(part.decode("utf-8", "surrogateescape") for part in (*parts, data[at:]))


def _values(secret: Secret) -> Iterator[tuple[bytes, _Whole]]:
    """Yield what to look for to find a secret's forms: one run of letters is in all that leave letters as they are."""
    forms = forms_of(secret)
    run = max(_RUN.findall(forms[0].data), key=len, default=b"")
    for form in forms:
        subject = Subject(form.name, form.what, form.name, _VALUE)
        if form.encoding in BASE64 and (parts := pieces(form.data)):
            yield from ((piece, _Whole(form.data, at, subject, wrapped=True)) for at, piece in parts)
            continue
        before = form.data.find(run) if run else -1
        yield (run if before >= 0 else form.data), _Whole(form.data, max(0, before), subject)


def _apart(found: list[Match]) -> list[Match]:
    """Return the matches without those that lie in another one, or overlap one that ranks higher."""
    if len(found) < 2:
        return found
    kept: list[Match] = []
    starts: list[int] = []
    for rank in sorted({match.subject.rank for match in found}, reverse=True):
        end, more = -1, []
        for match in sorted((match for match in found if match.subject.rank == rank), key=_longest_first):
            if match.end > end and not _overlaps(match, kept, starts):
                more.append(match)
                end = match.end
        kept = sorted([*kept, *more], key=_longest_first)
        starts = [match.start for match in kept]
    return kept


def _longest_first(match: Match) -> tuple[int, int]:
    return match.start, -match.end


def _overlaps(match: Match, kept: list[Match], starts: list[int]) -> bool:
    # None of those that are kept lies in another, so that the last to start before this one ends is the last to end.
    last = bisect_left(starts, match.end) - 1
    return last >= 0 and kept[last].end > match.start
