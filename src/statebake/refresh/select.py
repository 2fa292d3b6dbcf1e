"""Which keys a refresh is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from statebake.config import selects
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Component, Discovery, unknown_keys
from statebake.model.patterns import matches
from statebake.model.state_config import DefsStateManagementType


@dataclass(frozen=True)
class Selection:
    """The keys that were asked for: those that every given part agrees to; nothing given is all.

    Attributes:
        keys: exact keys.
        patterns: as ``--select`` takes them: patterns of the key or of its component's class, of the class only
            (``type:``), of the key only (``key:``), of the file that declares it (``path:``); any of them.
        management_type: a strategy.
        failed: the keys that failed last time.
    """

    keys: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    management_type: DefsStateManagementType | None = None
    failed: frozenset[str] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing was left out."""
        return self == Selection()


def split_patterns(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of ``--select`` options: several may stand in one, separated by spaces.

    A space that belongs to a pattern is written as in a shell: between quotation marks, or after a backslash. Raises
    ``StatebakeError`` (``BAD_SETTING``) for an option without a pattern, which would select everything.
    """
    return tuple(pattern for text in texts for pattern in _split(text))


def _split(text: str) -> list[str]:
    try:
        patterns = shlex.split(text)
    except ValueError as error:
        raise _no_pattern(text, "a quotation in it does not end") from error
    if not all(patterns) or not patterns:
        raise _no_pattern(text, "that is no pattern")
    return patterns


def _no_pattern(text: str, why: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"--select is {text!r}: {why}.",
        where="flag --select",
        next_step="leave it out for all keys, or name some: --select \"'Tables[my shop]' Fivetran*\"",
    )


def select(discovery: Discovery, selection: Selection) -> list[str]:
    """Return the selected keys, in the order of the declarations.

    Raises ``StatebakeError`` (``UNKNOWN_KEY``) for a key or a pattern that no component has.
    """
    keys = list(dict.fromkeys(component.key for component in discovery.components))
    if unknown := unmatched(discovery, selection):
        raise unknown_keys(unknown, keys, discovery.failures)
    return [key for key in keys if _is_selected(key, discovery.components_of(key), selection)]


def unmatched(discovery: Discovery, selection: Selection) -> list[str]:
    """Return the keys and the patterns of a selection that no component has."""
    unknown = [key for key in selection.keys if not discovery.components_of(key)]
    for pattern in selection.patterns:
        if not any(_matches(pattern, component) for component in discovery.components):
            unknown.append(pattern)
    return unknown


def _is_selected(key: str, components: tuple[Component, ...], selection: Selection) -> bool:
    return (
        (not selection.keys or key in selection.keys)
        and (selection.management_type in {None, components[0].management_type})
        and (selection.failed is None or key in selection.failed)
        and (
            not selection.patterns
            or any(_matches(pattern, component) for pattern in selection.patterns for component in components)
        )
    )


def _matches(pattern: str, component: Component) -> bool:
    method, _, rest = pattern.partition(":")
    if method == "key":
        return matches(rest, component.key)
    if method == "type":
        return any(matches(rest, text) for text in (component.type, component.type.rpartition(".")[2]))
    if method == "path":
        path, wanted = component.declared_at.rpartition(":")[0], rest.removeprefix("./").rstrip("/")
        return wanted in {"", "."} or matches(wanted, path) or path.startswith(f"{wanted}/")
    return selects(pattern, component.key, component.type)
