"""URLs with credentials: ``scheme://user:password@host`` (RFC 3986, section 3.2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from statebake.hygiene.formats.base import is_random
from statebake.hygiene.ordinary import is_placeholder

ANCHOR = b"://"
RULE_ID = "url-credentials"
WHAT = "a URL with credentials"
LONGEST = 512
_OUTSIDE = rb"\s/?#\"<>`\\|^\x00-\x20\x7f-\xff"  # what ends the credentials, in a URL or after one
_URL = re.compile(
    rb"://(?![^@" + _OUTSIDE + rb"]*[" + _OUTSIDE + rb"])"  # most URLs have none: that is seen at once
    rb"(?P<user>[^:@" + _OUTSIDE + rb"]{0,128})"
    rb"(?::(?P<password>[^@" + _OUTSIDE + rb"]{1,200}(?:@[^@" + _OUTSIDE + rb"]{0,100}){0,2}))?"
    rb"@(?P<host>[A-Za-z0-9_\[.-]{1,100})"
)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{1,24}\Z")
_MARKED = re.compile(rb"[{}<>()\[\]*']|\$[A-Za-z_]|%[sdr(]|\.\.\.|,,")
# What a password is filled in for. One may have such signs in it too, if there is enough beside them.
_FILLED_IN = re.compile(
    rb"\$?\{[^{}]*\}|\A\$\w+\Z|\$(?:[A-Z][A-Z0-9_]*|[a-z_]+)(?!\w)|\$?\([^()]*\)s?|\[[^\[\]]*\]|%[sdr]|\*{2,}"
    rb"|\.\.\.|,,|[{}()\[\]*]"
)
_QUOTED = re.compile(rb"(?:\A|[^A-Za-z0-9!$%&*_-])'|'(?:[^A-Za-z0-9!$%&*_-]|\Z)")  # the end of a literal in a program
_EXAMPLE_HOST = re.compile(
    rb"(?:.*\.)?(?:example|examples|test|invalid|domain|host|hostname|myhost|myserver|yourhost|somehost|somewhere"
    rb"|foo|bar|[a-z])(?:\.(?:com|org|net|invalid|test|local|foo|bar))?\.?",
    re.IGNORECASE,
)
_SERVER = re.compile(rb"server(?:\.\w+)?", re.IGNORECASE)  # in examples, and in real networks too
_SHORTEST_PASSWORD = 6
_SHORTEST_SURE = 7
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{20,128}")
_PUBLIC_HOST = re.compile(rb"sentry|ingest", re.IGNORECASE)  # whose URLs have a key that everybody may see


def urls_in(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where URLs with real credentials are: where each begins, and where its credentials end."""
    if b"@" not in data:
        return
    for match in _URL.finditer(data):
        scheme = _SCHEME.search(data, max(0, match.start() - 25), match.start())
        if scheme is not None and _is_real(match):
            yield scheme.start(), match.end("host")


def _is_real(match: re.Match[bytes]) -> bool:
    user, password, host = match["user"], match["password"], match["host"]
    if _MARKED.search(user) or _EXAMPLE_HOST.fullmatch(host):
        return False
    if password is None:
        return _is_token(user) and not _PUBLIC_HOST.search(host)
    if _MARKED.search(password) and (_QUOTED.search(password) or not _is_sure(_FILLED_IN.sub(b"", password))):
        return False
    if _SERVER.fullmatch(host) and not _is_sure(password):
        return False
    return _is_password(unquote_to_bytes(password), user)


def _is_sure(password: bytes) -> bool:
    """Return whether a password looks like no word: where there are signs that it may be an example's."""
    return (
        len(password) >= _SHORTEST_SURE
        and any(map(str.isdigit, map(chr, password)))
        and any(map(str.isalpha, map(chr, password)))
        and not is_placeholder(password.decode("utf-8", "replace"))
    )


def _is_token(user: bytes) -> bool:
    has = [any(kind(byte) for byte in map(chr, user)) for kind in (str.isdigit, str.isalpha)]
    return all(has) and _TOKEN.fullmatch(user) is not None and is_random(user)


def _is_password(password: bytes, user: bytes) -> bool:
    text = password.decode("utf-8", "replace")
    return (
        text.lower() != user.decode("utf-8", "replace").lower()
        and len(text) >= _SHORTEST_PASSWORD
        and not is_placeholder(text)
    )
