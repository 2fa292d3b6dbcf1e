"""Names of images.

Format: the grammar of the distribution project's ``reference`` package, with the domain and the path that every engine
reads the same way: ``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``.
"""

from __future__ import annotations

import re

from statebake.errors import Code, StatebakeError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)
_MAX_NAME = 255


def check_reference(text: str, *, where: str) -> str:
    """Return ``text`` where it names an image, by tag, digest or both; ``where`` says who named it.

    Raises ``StatebakeError`` (``BAD_REFERENCE``).
    """
    found = _REFERENCE.fullmatch(text)
    if found is None or len(found["name"]) > _MAX_NAME:
        raise StatebakeError(
            Code.BAD_REFERENCE,
            f"{text!r} is not the name of an image: {_why(text)}.",
            where=where,
            next_step="write it as [HOST[:PORT]/]PATH[:TAG][@DIGEST], the path in lower case",
        )
    return text


def _why(text: str) -> str:
    if not text.strip():
        return "it is empty"
    if any(character.isspace() for character in text):
        return "it has a space in it"
    if "://" in text:
        return "it is a URL"
    name, _, digest = text.partition("@")
    if digest and not re.fullmatch(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}", digest):
        return "its digest is none"
    path, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    if any(character.isupper() for character in path.rpartition("/")[2] or path):
        return "its path has capital letters"
    if tag and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag):
        return "its tag may have 128 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`"
    return "engines and registries would not take it"
