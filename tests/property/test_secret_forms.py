"""Whatever encodes a secret, it is found."""

from __future__ import annotations

import base64
import binascii
import csv
import html
import io
import json
import shlex
import textwrap
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from statebake.hygiene.matchers import LibcMatcher, hyperscan_matcher
from statebake.hygiene.search import Searcher
from statebake.hygiene.secrets import Secret

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40) | st.text(
    st.sampled_from("aZ09+/=\"'\\&<> ~%!*()\n\tüß€😀\x7f"), min_size=8, max_size=24
)


def _csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([text, 'force "quotes"'])
    return out.getvalue()


ENCODERS: dict[str, Callable[[str], str | bytes]] = {
    "nothing": str,
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()),
    "base64 as PEM": lambda text: textwrap.fill(base64.b64encode(text.encode()).decode(), 64),
    "base64 as YAML": lambda text: textwrap.indent(base64.encodebytes(text.encode()).decode(), "    "),
    "base64 as JSON": lambda text: json.dumps(base64.encodebytes(text.encode()).decode()),
    "base64 in mail": lambda text: base64.encodebytes(text.encode()).replace(b"\n", b"\r\n"),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: base64.b16encode(text.encode()),
    "hexlify": lambda text: binascii.hexlify(text.encode()),
    "quote": quote,
    "quote all": partial(quote, safe=""),
    "quote as encodeURIComponent": partial(quote, safe="!'()*"),
    "quote as encodeURI": partial(quote, safe=";/?:@&=+$,#!'()*"),
    "quote_plus": quote_plus,
    "quote in lower case": lambda text: "".join(
        part.lower() if part.startswith("%") else part for part in map(partial(quote, safe=""), text)
    ),
    "urlencode": lambda text: urlencode({"key": text}),
    "json": json.dumps,
    "json with Unicode": partial(json.dumps, ensure_ascii=False),
    "json twice over": lambda text: json.dumps(text, indent=1).replace("/", "\\/"),
    "json for HTML": lambda text: (
        json.dumps(text).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    ),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "html": html.escape,
    "html without quotes": partial(html.escape, quote=False),
    "html as Jinja": lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "html in ASCII": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace"),
    "xml": escape,
    "xml attribute": quoteattr,
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode()),
    "unicode_escape": lambda text: text.encode("unicode_escape"),
    "csv": _csv,
    "shell": shlex.quote,
}


@pytest.mark.parametrize("encoder", ENCODERS)
@given(value=VALUES, before=TEXT, after=TEXT)
@example(value="ümläut/+ &=%'\"<x>~\\\n😀", before="a", after="b")
@example(value="SGVsbG8gd29ybGQ/Kw==", before="", after="")
@example(value="'\"'\"'\"'\"", before="'", after='"')
@example(value="Zq8rT5vW2mX-Zq8rT5vW2mX" * 9, before="nnnn" * 11, after="")
@example(value='00000"\r0', before="", after="'")
@example(value="x" * 7 + "\xad", before="", after="")
@example(value="Zq8rT5vW", before="a" * 44, after="")
@example(value="Zq8rT5vW", before="a" * 53, after="")
def test_every_form_is_found(encoder, value, before, after):
    """A secret is found in what every encoder makes of it and of text around it, at any alignment."""
    assume(value.strip() == value)
    encoded = ENCODERS[encoder](before + value + after)
    data = encoded if isinstance(encoded, bytes) else encoded.encode()
    searcher = Searcher([Secret("A_TOKEN", value)], formats=False, matcher=LibcMatcher)
    hits = list(searcher.search("x", io.BytesIO(b"\0" + data)))
    assert {hit.name for hit in hits} == {"A_TOKEN"}


@given(values=st.lists(VALUES, min_size=1, max_size=5), data=st.data())
def test_all_matchers_find_the_same(values, data):
    """Each matcher finds the same in the same file."""
    encoders = st.sampled_from(list(ENCODERS.values()))
    parts = data.draw(st.lists(st.tuples(encoders, st.sampled_from(values) | TEXT), max_size=8))
    made = [encode(text) for encode, text in parts]
    content = b" ".join(part if isinstance(part, bytes) else part.encode() for part in made)
    secrets = [Secret(f"S{number}_TOKEN", value) for number, value in enumerate(values)]
    matchers = [
        LibcMatcher,
        partial(LibcMatcher, portable=True),
        *([hyperscan_matcher] if hyperscan_matcher([]) else []),
    ]
    found = [
        list(Searcher(secrets, formats=True, matcher=matcher).search("x", io.BytesIO(content))) for matcher in matchers
    ]
    assert all(hits == found[0] for hits in found)
