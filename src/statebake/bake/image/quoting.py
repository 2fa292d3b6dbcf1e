"""Filters for a Dockerfile's values: what a project says stays one value, whatever characters it has.

Format: Docker's Dockerfile reference, and what BuildKit's parser and shell lexer (``frontend/dockerfile``) do with each
instruction: ``COPY``, ``ENV`` and ``LABEL`` go through the lexer, which knows quotes, backslashes and ``$``, also in
their JSON form; ``CMD``, ``HEALTHCHECK`` and ``RUN`` do not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from statebake.errors import Code, StatebakeError

_LEXED = re.compile(r"""(["'$\\])""")
# In a source of COPY these are wildcards, however they are written: BuildKit compares a pattern in two ways, of which
# one knows no `[*]` and the other no backslash. `[[]` all builders understand.
_WITHOUT_ESCAPE = frozenset("*?\\")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def exec_form(arguments: Sequence[str]) -> str:
    """Return arguments as ``CMD``, ``HEALTHCHECK CMD`` and ``RUN`` take them without a shell."""
    for argument in arguments:
        _must_be_text(argument, "An argument of the command", "docker.command")
    return json.dumps(list(arguments), ensure_ascii=False)


def copy_form(paths: Sequence[str]) -> str:
    """Return the paths of a ``COPY``, the last of which is the destination; they name exactly these files."""
    *sources, target = (_path(path) for path in paths)
    escaped = [source.replace("[", "[[]") for source in sources]
    return json.dumps([_LEXED.sub(r"\\\1", path) for path in (*escaped, target)], ensure_ascii=False)


def value(text: str) -> str:
    """Return the name or the value of a ``LABEL`` or ``ENV``; line breaks become spaces, for it cannot have any."""
    one_line = "".join(character if character.isprintable() else " " for character in text)
    return '"' + re.sub(r'(["$\\])', r"\\\1", one_line) + '"'


def shell_word(text: str) -> str:
    """Return a path as a word of a shell command."""
    return shlex.quote(_path(text))


def comment(text: str) -> str:
    """Return ``text`` for a comment: on one line."""
    return "".join(character if character.isprintable() else " " for character in text)


def check_user(text: str, *, where: str) -> str:
    """Return ``text`` where it is a user, or a user and a group; raises ``StatebakeError`` (``BAD_SETTING``)."""
    return _matched(_USER, text, where, "a user, as name or number, or `user:group`")


def check_variable(text: str, *, where: str) -> str:
    """Return ``text`` where it can be the name of a variable; raises ``StatebakeError`` (``BAD_SETTING``)."""
    return _matched(_VARIABLE, text, where, "the name of a variable")


def _matched(pattern: re.Pattern[str], text: str, where: str, expected: str) -> str:
    if pattern.fullmatch(text):
        return text
    raise StatebakeError(
        Code.BAD_SETTING, f"{where} is {text!r}; expected: {expected}", where=where, next_step="correct the setting"
    )


def _path(path: str) -> str:
    if not path or _WITHOUT_ESCAPE & set(path):
        raise _unusable(f"The path {path!r}", path)
    return _must_be_text(path, f"The path {path!r}", path)


def _must_be_text(text: str, what: str, where: str) -> str:
    """Return ``text``; raises ``BAD_SETTING`` for what no line of a Dockerfile can hold."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise _unusable(what, where)
    return text


def _unusable(what: str, where: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"{what} has a character in it that a Dockerfile cannot express.",
        where=where.encode("utf-8", "backslashreplace").decode(),
        next_step="give it another name",
    )
