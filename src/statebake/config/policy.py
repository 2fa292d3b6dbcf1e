"""The settings that hold for one key."""

from __future__ import annotations

from statebake.config.settings import Settings
from statebake.model.patterns import matches


def settings_for(settings: Settings, key: str, component_type: str) -> Settings:
    """Return ``settings`` with those of the tables whose pattern matches, a later table before an earlier one."""
    values: dict[str, object] = {}
    for section in settings.keys:
        if selects(section.pattern, key, component_type):
            values.update(section.values)
    return settings.having(values)


def selects(pattern: str, key: str, component_type: str) -> bool:
    """Return whether a pattern matches a key, or the class of its component, with or without its module."""
    return any(matches(pattern, text) for text in (key, component_type, component_type.rpartition(".")[2]))
