"""Private keys in text: PEM (RFC 7468), OpenPGP (RFC 9580) and age, with a body and not by name only."""

from __future__ import annotations

import hashlib
import re

from statebake.hygiene.formats.base import Rule, is_random

# Between the lines: a line break, as it is or escaped; what begins and ends lines in source code, YAML and comments.
_BREAK = rb"(?:[\s\"'+,>|#*();]|\\{1,4}[nrt]|\\{1,2}\n|\\u000[aAdD]|&#1[03];|%0[aAdD]){0,40}"
# Keys that everybody has, by what sha256sum says of their first line: tornado ships one for its tests.
_KNOWN = frozenset({"0e40f538dd8f00f17e8c01e71da2636a"})
_BODY = re.compile(rb"[A-Za-z0-9+/]{32,}")


def _has_body(value: bytes) -> bool:
    body = _BODY.search(value)
    return body is not None and is_random(body[0]) and hashlib.sha256(body[0]).hexdigest()[:32] not in _KNOWN


KEYS = (
    Rule(
        "private-key",
        "a private key",
        (b"PRIVATE KEY",),
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            + _BREAK
            + rb"(?:[A-Za-z-]{4,20}: [^\n\\]{1,90}(?=[\n\\])"
            + _BREAK
            + rb"){0,5}[A-Za-z0-9+/]{32,}={0,2}"
        ),
        52,
        b"-----BEGIN ",
        _has_body,
    ),
    Rule("private-key", "a private key", (b"AGE-SECRET-KEY-1",), re.compile(rb"AGE-SECRET-KEY-1[0-9A-Z]{58}")),
)
