"""The text of a TOML array with one more entry at its end, written as the others are; no I/O."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r'"{3}.*?"{3,5}|' + r"'{3}.*?'{3,5}|" + r'"(?:\\.|[^"\\])*"|' + r"'[^']*'|(?P<comment>\#[^\n]*)|(?P<space>\s+)|.",
    re.DOTALL,
)
_INDENT = "    "


def with_entry(array: str, entry: str) -> str:
    """Return the text of ``array``, from ``[`` to ``]``, with the text ``entry`` as its last one.

    Where the entries stand below each other the new one gets a line of its own; whether a comma follows the last one,
    and every comment, is as it was (TOML 1.0, "Array").
    """
    values = [token for token in _TOKEN.finditer(array, 1, len(array) - 1) if not (token["comment"] or token["space"])]
    if not values:
        return _in_empty(array, entry)
    last = values[-1]
    comma = "," if last[0] == "," else ""
    before, tail = array[: last.end()], array[last.end() :]
    if not comma:
        before += ","
    first_line = re.match(r"[^\n]*?(?=\r?\n)", tail)
    if first_line is None:
        return f"{before} {entry}{comma}{tail}"
    end = "\r\n" if tail.startswith("\r", first_line.end()) else "\n"
    indent = _indent(array[: last.start()]) or _INDENT
    return f"{before}{first_line[0]}{end}{indent}{entry}{comma}{tail[first_line.end() :]}"


def _in_empty(array: str, entry: str) -> str:
    first_line = re.match(r"[^\n]*\n", array)
    if first_line is None:
        return f"[{entry}]"
    end = "\r\n" if first_line[0].endswith("\r\n") else "\n"
    return f"{first_line[0]}{_INDENT}{entry},{end}{array[first_line.end() :]}"


def _indent(text: str) -> str:
    """Return the white space that the last line of ``text`` begins with."""
    line = text[text.rfind("\n") + 1 :] if "\n" in text else ""
    return line[: len(line) - len(line.lstrip())]
