"""What is wrong with keys as they are declared: keys that meet, and components that should not share one; no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from statebake.check.snapshot import KeyDir
from statebake.errors import Code
from statebake.model.discovery import Component, Discovery
from statebake.model.finding import Finding, Severity
from statebake.model.keys import OTHER_KEY, collisions, show_key, why_collide
from statebake.model.patterns import matches
from statebake.model.state_config import DefsStateManagementType


def collision_findings(discovery: Discovery) -> Iterator[Finding]:
    """Yield the groups of keys that have one directory, or would have on another file system."""
    for group in collisions(discovery.keys):
        places = [f"{show_key(key, group)} ({discovery.components_of(key)[0].declared_at})" for key in group]
        yield Finding(
            Code.KEY_COLLISION,
            Severity.ERROR,
            group[0],
            f"These keys {why_collide(group)}: {', '.join(places)}.",
            discovery.components_of(group[0])[0].declared_at,
            f"give one of them another key: {OTHER_KEY}",
        )


def source_finding(discovery: Discovery, key: str) -> Finding | None:
    """Return the finding that ``key`` stands for several projects."""
    if conflict := discovery.conflict_of(key):
        return Finding(
            Code.KEY_COLLISION, Severity.ERROR, key, f"The key {conflict.what}", conflict.where, conflict.next_step
        )
    return None


def difference_findings(discovery: Discovery, key: str, allowed: Sequence[str]) -> Iterator[Finding]:
    """Yield how the components of ``key`` differ from the first one, whose state all of them get.

    It is an error where they would fetch something else, unless a pattern in ``allowed`` matches the key.
    """
    if discovery.conflict_of(key):
        return  # different projects: that they differ goes without saying
    first, *others = discovery.components_of(key)
    permitted = any(matches(pattern, key) for pattern in allowed)
    for other in others:
        if other.differs and not permitted:
            yield Finding(
                Code.ATTRIBUTES_DIFFER,
                Severity.ERROR,
                key,
                f"Two components share this key, in {first.declared_at} and {other.declared_at}, but the second would "
                f"fetch something else, for it differs in {_named(other.differs)}. It gets the state of the first.",
                other.declared_at,
                f"give one of them another key ({OTHER_KEY}), or allow it by name in allow_differences",
            )
        elif other.differs or other.may_differ:
            yield Finding(
                Code.ATTRIBUTES_DIFFER,
                Severity.WARNING,
                key,
                f"Two components share this key, in {first.declared_at} and {other.declared_at}, and differ in "
                f"{_named(other.differs or other.may_differ)}. Both get what the first one fetches.",
                other.declared_at,
                f"if they should not, give one of them another key: {OTHER_KEY}",
            )


def strategy_finding(found: KeyDir, component: Component) -> Finding | None:
    """Return the finding that ``component`` has another strategy than when its state in ``found`` was fetched."""
    if found.record is None or found.record.key != component.key:
        return None
    before, now = found.record.management_type, component.management_type
    if before is now:
        return None
    local = now is DefsStateManagementType.LOCAL_FILESYSTEM
    return Finding(
        Code.STRATEGY_CHANGED,
        Severity.WARNING,
        component.key,
        f"The strategy is {now.value}; when the state in {found.name} was fetched, it was {before.value}."
        f"{'' if local else ' Nothing reads that state any more.'}",
        component.declared_at,
        f"statebake refresh --key {shlex.quote(component.key)}"
        if local
        else f"set it back to {before.value}, or: rm -r {shlex.quote(str(found.path))}",
    )


def _named(attributes: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in attributes)
