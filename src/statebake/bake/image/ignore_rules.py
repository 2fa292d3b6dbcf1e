"""The rules of a ``.dockerignore``: which paths of a build context the engine is not sent; no I/O.

Sources, read at these versions: the file in ``ignorefile.go`` and the rules in ``patternmatcher.go`` of
https://github.com/moby/patternmatcher v0.6; the walk in ``filter.go`` of https://github.com/tonistiigi/fsutil (2024),
which is what ``docker build`` and ``docker buildx build`` send a context with.

The last rule that matches decides, and a rule matches what is under a directory that it matches. But the walk asks a
rule only where it could change something, and remembers only what it asked: after ``a/b``, ``!a`` is never asked about
``a`` (which nothing kept out), and so does not bring ``a/b`` back; ``!a/**`` does. Before a file is read, all rules are
asked again, without that memory: a file that only this second time is kept out arrives empty. Both count as kept out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from statebake.bake.image.ignore_pattern import SPACE, Pattern, any_of, compile_pattern
from statebake.errors import Code, StatebakeError

_BOM = "\ufeff"
_LONGEST_LINE = 64 * 1024  # what Go's `bufio.Scanner` takes
_WILDCARDS = re.compile(r"[*\[\]?^\\]")


@dataclass(frozen=True)
class Rule:
    """One line of the file.

    Attributes:
        line: its number, from 1.
        text: the line as it is, without white space around it.
        pattern: what is matched, cleaned, without a ``!``.
        negated: whether it brings back.
    """

    line: int
    text: str
    pattern: str
    negated: bool
    compiled: Pattern = field(repr=False, compare=False)


@dataclass(frozen=True)
class Decision:
    """Whether a path is kept out, and the rule that decided; ``None``: no rule is about it."""

    excluded: bool
    rule: Rule | None


@dataclass(frozen=True)
class Visit:
    """What the walk knows of a directory, and needs for what is in it.

    Attributes:
        decision: what becomes of a file in it that no rule matches by itself.
        skipped: whether nothing in it is looked at.
        walked: of every rule, whether the walk found that it matches the directory or one above.
        hit: of every rule, whether it matches the directory or one above.
    """

    decision: Decision
    skipped: bool
    walked: tuple[bool, ...]
    hit: tuple[bool, ...]


class Rules:
    """Rules in the order of their file; see ``parse_rules``."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.top = Visit(Decision(excluded=False, rule=None), False, (False,) * len(rules), (False,) * len(rules))
        self._any = any_of([rule.compiled for rule in rules])
        self._brings_back = [_without_trailing_glob(rule.pattern) for rule in rules if rule.negated]
        self._plain = not any(_WILDCARDS.search(start) for start in self._brings_back)
        self._directories: dict[str, Visit] = {}

    def decide(self, path: str) -> Decision:
        """Return what becomes of the file at ``path``, which is relative to the context and ``/``-separated."""
        return self.decide_in(self._directory(path.rpartition("/")[0]), path)

    def decide_in(self, directory: Visit, path: str) -> Decision:
        """Return what becomes of the file at ``path``, given the visit of its directory."""
        if directory.skipped or not self._any(path):
            return directory.decision
        return self._ask(path, directory)[0]

    def enter(self, above: Visit, path: str) -> Visit:
        """Return the visit of the directory at ``path``, given that of its own directory (``top`` for the context)."""
        if above.skipped:
            return above
        decision, kept_out, walked, hit = self._ask(path, above)
        skipped = (
            kept_out and self._plain and not any(f"{start}/".startswith(f"{path}/") for start in self._brings_back)
        )
        return Visit(decision, skipped, tuple(walked), tuple(hit))

    def _ask(self, path: str, above: Visit) -> tuple[Decision, bool, list[bool], list[bool]]:
        """Return what becomes of ``path`` if it is a file, whether the walk keeps it out, and which rules match it."""
        walked, hit = list(above.walked), list(above.hit)
        last: Rule | None = None  # that matches
        last_walked: Rule | None = None  # that the walk found to match
        for number, rule in enumerate(self.rules):
            own = rule.compiled.matches(path)
            hit[number] = hit[number] or own
            kept_out = last_walked is not None and not last_walked.negated
            walked[number] = walked[number] or (own and rule.negated == kept_out)
            last = rule if hit[number] else last
            last_walked = rule if walked[number] else last_walked
        kept_out = last_walked is not None and not last_walked.negated
        emptied = last is not None and not last.negated
        return Decision(kept_out or emptied, last_walked if kept_out else last), kept_out, walked, hit

    def followed_by(self, lines: Iterable[str]) -> Rules:
        """Return the rules of the file with ``lines`` at its end."""
        last = self.rules[-1].line if self.rules else 0
        added = (_parse(line, number, ".dockerignore") for number, line in enumerate(lines, last + 1))
        return Rules([*self.rules, *(rule for rule in added if rule)])

    def _directory(self, path: str) -> Visit:
        if not path:
            return self.top
        known = self._directories.get(path)
        if known is None:
            known = self._directories[path] = self.enter(self._directory(path.rpartition("/")[0]), path)
        return known


def parse_rules(text: str, name: str = ".dockerignore") -> Rules:
    """Return the rules of a file with ``text``; ``name`` is what errors call it.

    Raises ``StatebakeError`` (``BAD_SETTING``) for a line that the engine refuses.
    """
    lines = text.removeprefix(_BOM).split("\n")
    return Rules([rule for number, line in enumerate(lines, 1) if (rule := _parse(line, number, name))])


def clean(path: str) -> str:
    """Return ``path`` as Go's ``filepath.Clean`` does on Unix."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _parse(line: str, number: int, name: str) -> Rule | None:
    text = line.strip(SPACE)
    if line.startswith("#") or not text:
        return None
    if len(line.encode(errors="surrogateescape")) >= _LONGEST_LINE:
        raise _refused(f"{text[:40]}…", "the line is too long", f"{name}:{number}")
    # First as the reader of the file does it, then as the matcher does it once more with what it gets. That is how
    # `/!x` comes to bring `x` back, and `!/` to be refused.
    mark = "!" if text.startswith("!") else ""
    glob = text.removeprefix("!").strip(SPACE) if mark else text
    if glob:
        glob = clean(glob)
        glob = glob[1:] if len(glob) > 1 and glob.startswith("/") else glob
    pattern = f"{mark}{glob}".strip(SPACE)
    if not pattern:
        return None
    pattern = clean(pattern)
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if not pattern:
        raise _refused(text, "there is nothing after its `!`", f"{name}:{number}")
    try:
        compiled = compile_pattern(pattern)
    except ValueError as error:
        raise _refused(text, str(error), f"{name}:{number}") from error
    return Rule(number, text, pattern, negated, compiled)


def _without_trailing_glob(pattern: str) -> str:
    return pattern.removesuffix("/**").removesuffix("/*")


def _refused(text: str, why: str, where: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"No engine reads the pattern `{text}`: {why}.",
        where=where,
        next_step="correct the line, or take it out",
    )
