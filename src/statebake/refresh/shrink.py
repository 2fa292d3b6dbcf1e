"""How much of a key's state a fetch lost, and what.

A response with half of the tables is as valid as the whole one; only the state before tells the two apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from statebake.model.keys import STATE_NAME
from statebake.model.tree import go_on
from statebake.refresh.documents import count_elements, kind_of, show_label

_IDENTITIES = ("id", "uid", "uuid", "unique_id", "name", "key", "slug")
_SHOWN_NAMES = 3
_SHOWN_LOSSES = 8
_COUNTS_ALONE = 3  # elements: a list of three may well lose one, which says nothing of what it is part of
_PLACES_ALONE = 2  # names: deeper than this, what has the same name is one thing, as the columns of every table are
_MISSING = object()
_Path = tuple["str | None", ...]


class Measure(NamedTuple):
    """One thing that was counted before and after."""

    name: str
    before: int
    after: int

    def shrunk_by(self) -> float:
        """Return the fraction that is gone, 0 where nothing is."""
        return max(0.0, (self.before - self.after) / self.before) if self.before else 0.0


@dataclass(frozen=True)
class Loss:
    """A list or an object that has less in it than before.

    Attributes:
        name: where in the document it is.
        lost: how many elements, with what was in them.
        line: ``connectors: 40 → 19 (gone: a, b, c and 18 more)``.
        alone: whether what it lost is too much, whatever the rest of the document is like.
    """

    name: str
    lost: int
    line: str
    alone: bool


def find_losses(
    before: Any, after: Any, limit: float = 1.0, root: str = STATE_NAME, pulse: Callable[[], None] = go_on
) -> list[Loss]:
    """Return where elements of a document were lost; ``root`` is what the document is called. ``pulse``
    is called again and again, and ends this by raising.

    A list or an object that lost at least three elements, and more of them than the fraction ``limit``, is too much
    ``alone``; those that are deeper than two levels and have the same name count together. Objects of a list are told
    apart by a member that identifies them, if there is one, so that they can be named; the same place in every object
    of a list is one place. Values are never shown but those that identify, shortened.
    """
    places = _compare(before, after, pulse)
    together: dict[_Path, list[_Place]] = {}
    for path, place in places.items():
        together.setdefault(_kind(path), []).append(place)
    too_much = {
        kind
        for kind, group in together.items()
        if (measure := Measure("", sum(it.before for it in group), sum(it.after for it in group))).shrunk_by() > limit
        and measure.before - measure.after >= _COUNTS_ALONE
    }
    losses = []
    for path, place in places.items():
        alone = _kind(path) in too_much and place.before > place.after
        if place.lost > 0 or alone:
            name = _show_path(path, root)
            losses.append(Loss(name, place.lost, place.show(name), alone))
    return losses


def show_losses(losses: Iterable[Loss]) -> list[str]:
    """Return a few lines: first what is too much alone, then the greatest loss first."""
    found = sorted(losses, key=lambda loss: (not loss.alone, -loss.lost, loss.name))
    lines = [loss.line for loss in found[:_SHOWN_LOSSES]]
    if len(found) > _SHOWN_LOSSES:
        lines.append(f"… and {len(found) - _SHOWN_LOSSES} more places")
    return lines


def _compare(before: Any, after: Any, pulse: Callable[[], None]) -> dict[_Path, _Place]:
    places: dict[_Path, _Place] = {}
    waiting: list[tuple[_Path, Any, Any]] = [((), before, after)]
    while waiting:
        pulse()
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
        in_list = (*path, None)
        for name, value in old_members.items():
            other = new_members.get(name, _MISSING)
            if other is _MISSING:
                place.gone.append(str(name))
                place.lost += 1 + count_elements(value)
                if isinstance(old, dict) and isinstance(value, list) and len(old) <= _COUNTS_ALONE:
                    waiting.append(((*path, name), value, []))  # so few members say nothing of what is in them
            elif isinstance(value, (dict, list)):
                waiting.append(((*path, name) if isinstance(old, dict) else in_list, value, other))
    return places


def _kind(path: _Path) -> _Path:
    """Return what the places that count together have in common."""
    return path if len(path) <= _PLACES_ALONE else (path[0], *[None] * (len(path) - 2), path[-1])


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


def _show_path(path: _Path, root: str) -> str:
    if not path:
        return root
    parts = ("[]" if part is None else f".{_show_member(part)}" for part in path)
    inside = "".join(parts).removeprefix(".")
    return inside if root == STATE_NAME else f"{inside} of {root}"


def _show_member(name: str) -> str:
    shown = show_label(name)
    return shown if re.fullmatch(r"[\w-]+…?", shown) else json.dumps(shown, ensure_ascii=False)


def _members(old: Any, new: Any) -> tuple[dict[Any, Any] | None, dict[Any, Any] | None]:
    """Return what is in two lists or objects by name, ``None`` where the items of a list cannot be matched."""
    if isinstance(old, dict):
        return old, new
    for identity in _IDENTITIES if old and isinstance(old[0], dict) else ():
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
