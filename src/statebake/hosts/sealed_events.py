"""What the events of a sealed load must look like: whoever is loaded may print anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MOST = 1 << 53  # whole numbers up to here are the same in every reader of JSON

_Check = Callable[[Any], bool]


def has_shape(event: Mapping[str, Any]) -> bool:
    """Return whether an event has the fields of its kind, of the right types; one of a later version has."""
    kind = event.get("event", "")
    if not isinstance(kind, str):
        return False
    return all(check(event.get(name)) for name, check in _SHAPES.get(kind, {}).items())


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _optional_text(value: Any) -> bool:
    return value is None or _text(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _optional_count(value: Any) -> bool:
    return value is None or _count(value)


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST


def _pins(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return _optional_text(value.get("file")) and _texts(value.get("keys")) and _optional_text(value.get("problem"))


_SHAPES: Mapping[str, Mapping[str, _Check]] = {
    "seals": {"by": _texts, "missing": _texts},
    "attempt": {"host": _text, "port": _optional_count, "program": _optional_text, "line": _optional_text},
    "not-started": {"program": _text, "reason": _optional_text, "number": _optional_count},
    "ended": {"exit": _optional_count, "signal": _optional_count},
    "enter": {"key": _text, "type": _text, "declared_at": _text, "management_type": _text},
    "leave": {"definitions": _count, "error": _optional_text},
    "failed": {"code": _optional_text, "message": _text, "where": _optional_text, "detail": _optional_text},
    "loaded": {"seconds": _seconds, "opened": _texts, "pins": _pins},
}
