"""Patterns in the syntax of ``.gitignore``, matched one path at a time.

Source: gitignore(5), "PATTERN FORMAT". ``pathspec`` translates the globs; which of several patterns decides is decided
here, because it must be known of a directory before, and without, the files in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from statebake.errors import Code, StatebakeError


@dataclass(frozen=True)
class IgnoreRule:
    """One pattern: what it matches, whether only directories, and whether it takes back what those before it match.

    ``anchored`` patterns match the whole relative path, others the last part of it.
    """

    glob: re.Pattern[str]
    negated: bool
    directories_only: bool
    anchored: bool

    def matches(self, path: str, *, is_dir: bool) -> bool:
        """Return whether the rule is about ``path`` itself, not only about a directory above it."""
        if self.directories_only and not is_dir:
            return False
        found = self.glob.search(path if self.anchored else path.rpartition("/")[2])
        return found is not None and not found.groupdict().get("ps_d")  # the slash after a directory above


def parse_rules(patterns: Sequence[str], where: str | None = None) -> tuple[IgnoreRule, ...]:
    """Return the rules that ``patterns`` are, which are set at ``where``; blank ones and comments are none.

    Raises ``StatebakeError`` (``BAD_SETTING``) for a pattern that could never match.
    """
    return tuple(rule for pattern in patterns if (rule := _parse(pattern, where)))


def is_ignored(rules: Sequence[IgnoreRule], path: str, *, is_dir: bool) -> bool | None:
    """Return what the last rule about ``path`` says, ``None`` where there is none.

    ``path`` is relative and ``/``-separated, and no directory above it is ignored: nothing in an ignored directory can
    be taken back.
    """
    return next((not rule.negated for rule in reversed(rules) if rule.matches(path, is_dir=is_dir)), None)


def _parse(pattern: str, where: str | None) -> IgnoreRule | None:
    from pathspec import GitIgnoreSpec

    line = _trim(pattern)
    if not line or line.startswith("#"):
        return None
    if any(sign in line for sign in "\n\r\0"):
        raise _bad(pattern, "it has more than one line", where)
    negated = line.startswith("!")
    glob = line[1:] if negated else line
    directories_only = glob.endswith("/")
    if directories_only:
        glob = glob[:-1]
        if glob.endswith(" ") and not glob.endswith("\\ "):  # no space at the end of a line, so it counts
            glob = f"{glob[:-1]}[ ]"
    if not glob.strip("/"):
        raise _bad(pattern, "there is nothing in it that could match", where)
    if negated and glob.startswith(("!", "#")):
        glob = f"\\{glob}"  # only the first sign of a line is special
    try:
        [compiled] = GitIgnoreSpec.from_lines([glob]).patterns
    except ValueError as error:
        raise _bad(pattern, "its glob cannot be read", where) from error
    if compiled.include is None or compiled.regex is None:
        raise _bad(pattern, "its glob cannot be read", where)
    return IgnoreRule(compiled.regex, negated, directories_only, anchored="/" in glob)


def _trim(line: str) -> str:
    """Return ``line`` without the spaces at its end that no backslash keeps."""
    kept = position = 0
    while position < len(line):
        escapes = line[position] == "\\" and position + 1 < len(line)
        position += 2 if escapes else 1
        if escapes or line[position - 1] != " ":
            kept = position
    return line[:kept]


def _bad(pattern: str, why: str, where: str | None) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"`exclude` has the pattern {pattern!r}, which is none: {why}.",
        where=where,
        next_step="write it as a line of a .gitignore file; see: git help gitignore",
    )
