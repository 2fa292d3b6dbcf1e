"""JSON documents that were fetched: reading them, counting what is in them, and showing no more of them than needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from statebake.model.tree import go_on

_MAX_LABEL = 40
MAX_JSON_BYTES = 64 << 20
"""A larger document is not parsed, for that would take ten times its size."""


def read_json(text: bytes) -> Any:
    """Return the document in ``text``; raises ``ValueError`` for what is no JSON, ``NaN`` and endless nesting included.

    Source: RFC 8259.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def count_elements(document: Any, pulse: Callable[[], None] = go_on) -> int:
    """Return how many array items and object members there are in the whole document; raises what ``pulse`` raises."""
    total = 0
    waiting = [document] if isinstance(document, (dict, list)) else []
    while waiting:
        pulse()
        inside = waiting.pop()
        total += len(inside)
        members = inside.values() if isinstance(inside, dict) else inside
        waiting.extend(member for member in members if isinstance(member, (dict, list)))
    return total


def kind_of(value: Any) -> str:
    """Return what a JSON value is, with its article."""
    for kinds, name in (
        (dict, "an object"),
        (list, "an array"),
        (str, "a string"),
        (bool, "a boolean"),
        ((int, float), "a number"),
    ):
        if isinstance(value, kinds):
            return name
    return "null"


def show_label(name: str) -> str:
    """Return a name out of state as a message may show it: on one line, and shortened."""
    short = name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 1]}…"
    return short if short.isprintable() and short.strip() == short != "" else json.dumps(short)
