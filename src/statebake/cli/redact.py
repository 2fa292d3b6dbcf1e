"""Taking secrets out of what is printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

MASK = "****"
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|_KEY$|^AWS_SESSION", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@:'\"]*(?::[^/\s@'\"]*)?@", re.IGNORECASE)
_SHORTEST = 6


def redact(text: str, env: Mapping[str, str]) -> str:
    """Return ``text`` without the values of the variables in ``env`` that look like secrets, and without the
    credentials of URLs. Values of fewer than six characters are left: they would mask ordinary words.
    """
    values = {value for name, value in env.items() if len(value) >= _SHORTEST and _SECRET_NAME.search(name)}
    for value in sorted(values | {quote(value, safe="") for value in values}, key=len, reverse=True):
        text = text.replace(value, MASK)
    return _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
