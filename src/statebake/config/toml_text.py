"""Values and keys as text of TOML 1.0."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

_BARE = re.compile(r"[\w-]+", re.ASCII)


def toml_value(value: Any) -> str:
    """Return ``value`` (text, number, boolean, time, or a list or table of these) as TOML has it, on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return repr(value)  # json has other names for inf and nan
    if isinstance(value, (date, time)):
        return value.isoformat()
    return json.dumps(value)


def toml_key(key: str) -> str:
    """Return one part of a key, between quotation marks where it needs them ("Keys")."""
    return key if _BARE.fullmatch(key) else _text(key)


def _text(value: str) -> str:
    # "String": the escapes of JSON, but no surrogate pairs, and U+007F is to be escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
