"""Settings that do nothing, most likely because something in them is misspelt; no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from statebake.config import ResolvedConfig, did_you_mean, selects, settings_for
from statebake.config.schema import key_setting, limit_name
from statebake.errors import Code
from statebake.model.discovery import Component, Discovery
from statebake.model.finding import Finding, Severity


def unmatched_patterns(config: ResolvedConfig, discovery: Discovery, *, alone: bool) -> Iterator[Finding]:
    """Yield a warning for every table of keys and every limit that matches no key.

    ``alone``: no other project is refreshed together with this one, to whose keys a limit would apply as well. Where a
    component cannot be loaded its key is not known, so nothing is said.
    """
    firsts = _first_components(discovery)
    if not firsts:
        return
    known = frozenset(text for one in firsts for text in (one.key, one.type, one.type.rpartition(".")[2]))
    places = {
        section.pattern: (f'keys."{section.pattern}"', key_setting(section.pattern, next(iter(section.values))))
        for section in config.settings.keys
    }
    limits = {limit.pattern: (name := limit_name(limit.pattern), name) for limit in config.settings.limits}
    for found in (places, limits if alone else {}):
        for pattern, (shown, name) in found.items():
            if not any(selects(pattern, one.key, one.type) for one in firsts):
                guess = did_you_mean(pattern, known)
                yield _idle(f"{shown} matches no key and no class of a component{guess}", config.origins[name])


def unused_max_stale(config: ResolvedConfig, discovery: Discovery) -> Iterator[Finding]:
    """Yield a warning for every ``max_stale`` that a refresh with these settings does not go by.

    A check does not know with which flags the refreshes are.
    """
    firsts = _first_components(discovery)
    settings = config.settings
    places = [("*", "max_stale")] if settings.max_stale is not None else []
    places += [
        (one.pattern, key_setting(one.pattern, "max_stale")) for one in settings.keys if "max_stale" in one.values
    ]
    for pattern, name in places:
        reached = [one for one in firsts if selects(pattern, one.key, one.type)]
        if reached and all(settings_for(settings, one.key, one.type).on_failure != "stale" for one in reached):
            yield _idle(
                f'{name} is set, but on_failure is not "stale" for any key that it is about', config.origins[name]
            )


def _first_components(discovery: Discovery) -> list[Component]:
    """Return a component of each key, none where not all of the keys are known."""
    return [] if discovery.failures else [discovery.components_of(key)[0] for key in discovery.keys]


def _idle(what: str, where: str) -> Finding:
    step = "correct it, or remove it; which keys and classes there are: statebake status"
    return Finding(Code.IDLE_SETTING, Severity.WARNING, None, f"{what}.", where, step)
