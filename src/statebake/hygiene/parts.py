"""What of a long secret is a secret by itself: the lines of a key, the fields of a document, a URL's password."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from statebake.redact import looks_secret

_KEY_LINE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
# How every private key of OpenSSH begins: it is in public places too.
_OPENSSH_START = "b3BlbnNzaC1rZXktdjE"
_MOST_LINES = 8
_DEEPEST = 8


def parts_of(value: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a secret, each with words for what it is: ``a line of``.

    Of many lines some are enough: a key that is indented, wrapped or cut has them all, or half of them.
    """
    lines = [line for line in map(str.strip, value.splitlines()) if _KEY_LINE.fullmatch(line)]
    lines = [line for line in lines if line != value and not line.startswith(_OPENSSH_START)]
    step = max(1, -(-len(lines) // _MOST_LINES))
    for line in lines[::step]:
        yield "a line of", line
    if (password := password_of_url(value)) is not None:
        yield "the password in", password
    if value.startswith("{"):
        for text in _secret_fields(value):
            yield "a field of", text


def password_of_url(value: str) -> str | None:
    """Return the password of a URL with credentials, as it is meant; the user's name where that is all there is."""
    if "://" not in value or any(sign.isspace() for sign in value):
        return None
    try:
        parts = urlsplit(value)
        secret = parts.password if parts.password is not None else parts.username
    except ValueError:
        return None
    return unquote(secret) if secret and "@" in parts.netloc else None


def has_credentials(value: str) -> bool:
    """Return whether it is a URL with a password; a user's name alone may be a token where HTTP is spoken."""
    if password_of_url(value) is None:
        return False
    scheme, _, rest = value.partition("://")
    return scheme.lower().endswith(("http", "https")) or ":" in rest.rpartition("@")[0]


def _secret_fields(value: str) -> Iterator[str]:
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from _strings(document, 0, secret=False)


def _strings(document: object, depth: int, *, secret: bool) -> Iterator[str]:
    if isinstance(document, str) and secret:
        yield document
    elif isinstance(document, dict) and depth < _DEEPEST:
        for name, inner in document.items():
            yield from _strings(inner, depth + 1, secret=secret or looks_secret(name))
    elif isinstance(document, list) and depth < _DEEPEST:
        for inner in document:
            yield from _strings(inner, depth + 1, secret=secret)
