"""How much of a key's state a fetch lost, and what.

A response with half of the tables is as valid as the whole one; only the state before tells the two apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from statebake.refresh.documents import count_elements, kind_of, show_label

MAX_JSON_BYTES = 64 << 20
"""A larger ``state`` is compared by its bytes and files only: parsed, it would take ten times its size."""

_IDENTITIES = ("id", "uid", "uuid", "unique_id", "name", "key", "slug")
_SHOWN_NAMES = 3
_SHOWN_LOSSES = 8
_MISSING = object()


class Measure(NamedTuple):
    """One thing that was counted before and after."""

    name: str
    before: int
    after: int

    def shrunk_by(self) -> float:
        """Return the fraction that is gone, 0 where nothing is."""
        return max(0.0, (self.before - self.after) / self.before) if self.before else 0.0


def lost_elements(before: Any, after: Any) -> list[str]:
    """Return where elements were lost, the greatest loss first: ``connectors: 40 → 19 (gone: a, b, c and 18 more)``.

    Objects of a list are told apart by a member that identifies them, if there is one, so that they can be named; the
    same place in every object of a list is one place. Values are never shown but those that identify, shortened.
    """
    places: dict[tuple[str | None, ...], _Place] = {}
    waiting: list[tuple[tuple[str | None, ...], Any, Any]] = [((), before, after)]
    while waiting:
        path, old, new = waiting.pop()
        if not isinstance(old, (dict, list)) or (not old and not isinstance(new, (dict, list))):
            continue
        place = places.setdefault(path, _Place())
        place.before += len(old)
        if type(new) is not type(old):
            place.became = kind_of(new)
            place.lost += count_elements(old)
            continue
        place.after += len(new)
        old_members, new_members = _members(old, new)
        if old_members is None or new_members is None:
            place.lost += count_elements(old) - count_elements(new)
            continue
        for name, value in old_members.items():
            other = new_members.get(name, _MISSING)
            if other is _MISSING:
                place.gone.append(str(name))
                place.lost += 1 + count_elements(value)
            else:
                waiting.append(((*path, str(name) if isinstance(old, dict) else None), value, other))
    losses = sorted(
        (item for item in places.items() if item[1].lost > 0), key=lambda item: (-item[1].lost, _show_path(item[0]))
    )
    lines = [place.show(_show_path(path)) for path, place in losses[:_SHOWN_LOSSES]]
    if len(losses) > _SHOWN_LOSSES:
        lines.append(f"… and {len(losses) - _SHOWN_LOSSES} more places")
    return lines


def lost_names(what: str, before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Return ``files: 40 → 19 (gone: a, b, c and 18 more)`` for what is in ``before`` and not in ``after``."""
    gone = [name for name in before if name not in after]
    return _Place(len(before), len(after), gone=gone).show(what)


@dataclass
class _Place:
    """The elements of one place in a document before and after; ``lost`` also counts what was in those that went."""

    before: int = 0
    after: int = 0
    lost: int = 0
    gone: list[str] = field(default_factory=list)
    became: str | None = None

    def show(self, name: str) -> str:
        after = f"{self.after}" if self.became is None or self.after else self.became
        shown = ", ".join(show_label(label) for label in self.gone[:_SHOWN_NAMES])
        more = len(self.gone) - _SHOWN_NAMES
        gone = f" (gone: {shown}{f' and {more} more' if more > 0 else ''})" if self.gone else ""
        return f"{name}: {self.before} → {after}{gone}"


def _show_path(path: tuple[str | None, ...]) -> str:
    if not path:
        return "state"
    parts = ("[]" if part is None else f".{_show_member(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def _show_member(name: str) -> str:
    shown = show_label(name)
    return shown if re.fullmatch(r"[\w-]+…?", shown) else json.dumps(shown, ensure_ascii=False)


def _members(old: Any, new: Any) -> tuple[dict[Any, Any] | None, dict[Any, Any] | None]:
    """Return what is in two lists or objects by name, ``None`` where the items of a list cannot be matched."""
    if isinstance(old, dict):
        return old, new
    for identity in _IDENTITIES:
        old_items, new_items = _by_identity(old, identity), _by_identity(new, identity)
        if old_items is not None and new_items is not None:
            return old_items, new_items
    if len(old) == len(new):
        return dict(enumerate(old)), dict(enumerate(new))
    return None, None


def _by_identity(items: list[Any], identity: str) -> dict[Any, Any] | None:
    found: dict[Any, Any] = {}
    for item in items:
        name = item.get(identity) if isinstance(item, dict) else None
        if not isinstance(name, (str, int)) or name in found:
            return None
        found[name] = item
    return found
