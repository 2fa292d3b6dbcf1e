"""Deciding what a refresh does; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from statebake.config import Settings, settings_for
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Component, Discovery, LoadFailure, SourceConflict
from statebake.model.finding import Finding
from statebake.model.keys import OTHER_KEY, collisions, key_problem, sanitize_key, show_key, why_collide
from statebake.model.state_config import DefsStateManagementType
from statebake.refresh.select import Selection, select


@dataclass(frozen=True)
class PlannedFetch:
    """One key to fetch: its directory's name, every component that uses it, and the settings that hold for it."""

    key: str
    name: str
    components: tuple[Component, ...]
    settings: Settings

    @property
    def component(self) -> Component:
        """The component that fetches for all (Dagster takes the first found as well)."""
        return self.components[0]


@dataclass(frozen=True)
class SkippedKey:
    """A key that a refresh leaves alone, and why; ``age_s`` where its state is fresh enough."""

    key: str
    note: str
    age_s: float | None = None


@dataclass(frozen=True)
class BlockedKey:
    """A key, or a component whose key is not known (``key`` is ``None``), that cannot be fetched."""

    key: str | None
    error: StatebakeError


@dataclass(frozen=True)
class RefreshPlan:
    """What a refresh is going to do.

    Attributes:
        fetches: in the order of the declarations.
        skipped: keys whose strategy keeps no state in the project, or whose state is fresh enough.
        blocked: what makes the refresh fail, whatever is fetched.
        bystanders: components that cannot be loaded, where only other keys were asked for.
        findings: settings that do nothing.
    """

    fetches: tuple[PlannedFetch, ...]
    skipped: tuple[SkippedKey, ...]
    blocked: tuple[BlockedKey, ...]
    bystanders: tuple[LoadFailure, ...]
    findings: tuple[Finding, ...] = ()


def plan_refresh(
    discovery: Discovery, settings: Settings, selection: Selection, ages: Mapping[str, float]
) -> RefreshPlan:
    """Return the plan for the selected keys.

    ``ages``: of the keys whose state is sound, the seconds since a fetch last confirmed it. Raises ``StatebakeError``
    (``UNKNOWN_KEY``) for a selected key that no component has.
    """
    keys = list(dict.fromkeys(component.key for component in discovery.components))
    clashing = {key: group for group in collisions(keys) for key in group}
    fetches, skipped, blocked = [], [], []
    for key in select(discovery, replace(selection, failed=None)):
        components = discovery.components_of(key)
        where = components[0].declared_at
        own = settings_for(settings, key, components[0].type)
        age = ages.get(key)
        if problem := key_problem(key):
            blocked.append(BlockedKey(key, bad_key(key, problem, where)))
        elif key in clashing:
            places = {other: discovery.components_of(other)[0].declared_at for other in clashing[key]}
            blocked.append(BlockedKey(key, collision(key, places)))
        elif conflict := discovery.conflict_of(key):
            blocked.append(BlockedKey(key, shared_by_mistake(key, conflict)))
        elif selection.failed is not None and key not in selection.failed:
            continue  # but what cannot be fetched at all, as above, fails each time
        elif components[0].management_type is not DefsStateManagementType.LOCAL_FILESYSTEM:
            skipped.append(SkippedKey(key, _WHY_SKIPPED[components[0].management_type]))
        elif age is not None and _is_fresh(age, own):
            skipped.append(SkippedKey(key, "fresh", age_s=age))
        else:
            fetches.append(PlannedFetch(key, sanitize_key(key), components, own))
    narrowed = not replace(selection, failed=None).everything
    if not narrowed:
        blocked.extend(BlockedKey(None, failure.error) for failure in discovery.failures)
    return RefreshPlan(
        fetches=tuple(fetches),
        skipped=tuple(skipped),
        blocked=tuple(blocked),
        bystanders=discovery.failures if narrowed else (),
    )


def _is_fresh(age_s: float, settings: Settings) -> bool:
    """Return whether state need not be fetched again; what the policy calls too old must be, however it is set."""
    limits = [limit for limit in (settings.max_age, settings.policy.max_age) if limit is not None]
    return settings.max_age is not None and 0 <= age_s < min(limits)


_WHY_SKIPPED = {
    DefsStateManagementType.VERSIONED_STATE_STORAGE: "its state is kept in a store, not in the project",
    DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS: "it is fetched at every load, by its strategy",
}


def bad_key(key: str, problem: str, where: str) -> StatebakeError:
    """Return the error for a key that cannot name a directory."""
    shown = key if len(key) <= 100 else f"{key[:12]}…"  # what is cut is not recognized as a secret any more
    return StatebakeError(
        Code.BAD_KEY,
        f"The key {shown!r} cannot name a directory: {problem}.",
        where=where,
        next_step=f"give the component another key: {OTHER_KEY}",
    )


def shared_by_mistake(key: str, conflict: SourceConflict) -> StatebakeError:
    """Return the error for a key whose components fetch from different sources."""
    return StatebakeError(
        Code.KEY_COLLISION,
        f"The key {key!r} {conflict.what}",
        where=conflict.where,
        next_step=conflict.next_step,
    )


def collision(key: str, places: dict[str, str]) -> StatebakeError:
    """Return the error for ``key``, which cannot be told from another one; ``places``: where each is declared."""
    others = ", ".join(f"{show_key(other, places)} ({place})" for other, place in places.items() if other != key)
    return StatebakeError(
        Code.KEY_COLLISION,
        f"The key {show_key(key, places)} collides with {others}: they {why_collide(places)}.",
        where=places[key],
        next_step=f"give one of them another key: {OTHER_KEY}",
    )
