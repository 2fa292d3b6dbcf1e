"""The forms in which a secret turns up in files: as it is, and as usual encoders write it."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from statebake.hygiene.secrets import Secret
from statebake.redact import base64_forms, encoded

PLAIN = "plain text"
BASE64 = ("base64", "base64url")
LONGEST = 1 << 14
"""Characters of a secret that count: files with so many of them have the rest as well."""
# What encoders of URLs leave as it is, beside letters, digits and _.-: Python's, JavaScript's, and those for paths.
_URL_SAFE = ("", "/", "!'()*", "*", ";/?:@&=+$,#!'()*", "/:@!$&'()*+,;=")
# Characters that some encoders of JSON escape though they need not: PHP, Go, Jinja, .NET.
_JSON_ESCAPED = ("/", "<>&", "<>&'", "<>&'\"+`")
_XML_SPACE = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}  # in attributes
_HTML_SIGNS: tuple[Mapping[str, str], ...] = (
    {},
    {'"': "&quot;"},
    {'"': "&quot;", "'": "&#x27;"},
    {'"': "&#34;", "'": "&#39;"},
    {'"': "&quot;", "'": "&#39;"},
    {'"': "&quot;", "'": "&apos;"},
    _XML_SPACE,
    {**_XML_SPACE, '"': "&quot;"},
)


@dataclass(frozen=True)
class Form:
    """A form of a secret.

    Attributes:
        name: the secret's variable.
        encoding: what it is encoded as, for people; ``PLAIN`` if it is not.
        data: its bytes. What comes before and after them does not matter.
        part: which part of the variable's value it is; empty if it is all of it.
    """

    name: str
    encoding: str
    data: bytes = field(repr=False)
    part: str = ""

    @property
    def what(self) -> str:
        """What it is, for people."""
        what = f"{self.part} the value of {self.name}".lstrip()
        return what if self.encoding == PLAIN else f"{what}, as {self.encoding}"


def forms_of(secret: Secret) -> tuple[Form, ...]:
    """Return the forms of a secret, every one once."""
    forms: dict[bytes, str] = {}
    for encoding, data in _all_forms(secret):
        forms.setdefault(data, encoding)
    return tuple(Form(secret.name, encoding, data, secret.part) for data, encoding in forms.items())


def _all_forms(secret: Secret) -> Iterator[tuple[str, bytes]]:
    text = secret.value[:LONGEST]
    data = encoded(text)
    yield PLAIN, data
    if secret.part == "a line of":  # of a key: it is wrapped otherwise, not encoded once more
        return
    for number, form_64 in enumerate(base64_forms(data)):
        yield BASE64[number % 2], form_64
    yield "hex", data.hex().encode()
    yield "hex", data.hex().upper().encode()
    for form in _url(data):
        yield "URL-encoded text", form.encode()
    for encoding, forms in (("JSON text", _json(text)), ("HTML text", _html(text)), ("quoted text", _quoted(text))):
        for form in forms:
            yield encoding, encoded(form)
    for form_16 in _utf_16(text):
        yield "UTF-16", form_16


def _url(data: bytes) -> Iterator[str]:
    for encode in (quote, quote_plus):
        for safe in _URL_SAFE:
            for form in _both_cases(encode(data, safe=safe), re.compile("%..")):
                yield form
                yield form.replace("~", "%7E")
                yield form.replace("~", "%7e")


def _json(text: str) -> Iterator[str]:
    for ascii_only in (False, True):
        form = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield from _both_cases(form, re.compile(r"(?<=\\u)[0-9a-f]{4}"))
        yield form.replace("\x7f", "\\u007f")
        yield form.replace("/", "\\/")
        for signs in _JSON_ESCAPED[1:]:
            # A quotation mark is escaped already; where it is written by its number, the backslash goes.
            marked = form.replace('\\"', '"') if '"' in signs else form
            escaped = "".join(f"\\u{ord(sign):04x}" if sign in signs else sign for sign in marked)
            yield from _both_cases(escaped, re.compile(r"(?<=\\u)[0-9a-f]{4}"))


def _html(text: str) -> Iterator[str]:
    bare = html.escape(text, quote=False)
    for signs in _HTML_SIGNS:
        form = _replaced(bare, signs)
        yield form
        yield form.encode("ascii", "xmlcharrefreplace").decode()


def _quoted(text: str) -> Iterator[str]:
    """Yield what programs make of text between quotation marks: Python, YAML, SQL, CSV, shells."""
    for write in (repr, ascii):
        single = write(f"\"'{text}")[4:-1]  # a text with both marks is put between single ones
        bare = single.replace("\\'", "'")
        yield single
        yield bare
        yield bare.replace('"', '\\"')
        yield re.sub(r"(?<=\\[xuU])[0-9a-f]+", lambda found: found[0].upper(), bare).replace('"', '\\"')  # YAML
    single = repr(b"\"'" + encoded(text))[5:-1]
    for form in (single, single.replace("\\'", "'")):
        yield form
        yield form.replace('"', '\\"')
    yield text.replace("'", "''")
    yield text.replace('"', '""')
    yield text.replace("\\", "\\\\")
    yield shlex.quote(f" {text}")[2:-1]


def _utf_16(text: str) -> Iterator[bytes]:
    """Yield the forms in both byte orders; without a zero at one end they are the same for most text."""
    little, big = (text.encode(f"utf-16-{order}", "surrogatepass") for order in ("le", "be"))
    if all(byte == 0 for byte in little[1::2]):
        yield little[:-1]
    else:
        yield little
        yield big


def _replaced(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)


def _both_cases(text: str, digits: re.Pattern[str]) -> Iterator[str]:
    yield digits.sub(lambda found: found[0].lower(), text)
    yield digits.sub(lambda found: found[0].upper(), text)
