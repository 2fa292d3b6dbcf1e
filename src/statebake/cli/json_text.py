"""JSON as it is printed and written: one format version, and nothing in it that a terminal or a CI runner obeys."""

from __future__ import annotations

import json
import re
from typing import Any

FORMAT = 1

# What json.dumps leaves as it is: DEL and C1, which terminals obey; line separators; what turns the direction of text;
# halves of surrogate pairs, which are no UTF-8.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# GitHub's runner obeys ##[command] anywhere in a line.
_RUNNER_COMMAND = re.compile(r"##(?=\[)")


def dump_json(value: Any) -> str:
    """Return ``value`` as JSON, indented; it reads back as the same value."""
    text = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=2, ensure_ascii=False))
    return _RUNNER_COMMAND.sub(r"#\\u0023", text)
