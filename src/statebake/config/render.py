"""The settings as rows, for ``statebake config`` and for ``docs/configuration.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statebake.config.schema import SETTINGS, Setting
from statebake.config.values import show

if TYPE_CHECKING:
    from statebake.config.cascade import ResolvedConfig


def render_rows(resolved: ResolvedConfig) -> list[tuple[str, str, str]]:
    """Return ``(key, value, origin)`` of every setting, in the table's order; no value is ``-``."""
    values = resolved.settings.flat()
    return [(setting.name, show(values[setting.name]), resolved.origins[setting.name]) for setting in SETTINGS]


def markdown_table() -> str:
    """Return the table of all settings in ``docs/configuration.md``."""
    head = ("Key", "Type", "Default", "Variable", "Flag", "Meaning")
    rows = [head, tuple("---" for _ in head), *(_row(setting) for setting in SETTINGS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(setting: Setting) -> tuple[str, ...]:
    default = setting.default_help or ("empty" if setting.default == () else f"`{setting.default}`")
    repeatable = ", repeatable" if setting.type.is_list else ""
    return (
        f"`{setting.name}`",
        setting.type.value,
        default,
        f"`{setting.env}`",
        f"`{setting.flag}`{repeatable}",
        setting.help,
    )
