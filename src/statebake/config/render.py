"""The settings as rows, for ``statebake config`` and for ``docs/configuration.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statebake.config.schema import BY_NAME, SETTINGS, Setting, key_setting, limit_name
from statebake.config.values import show

if TYPE_CHECKING:
    from statebake.config.cascade import ResolvedConfig


def render_rows(resolved: ResolvedConfig) -> list[tuple[str, str, str]]:
    """Return ``(key, value, origin)`` of every setting, in the table's order, then of what holds for some keys only.

    No value is ``-``.
    """
    settings, origins = resolved.settings, resolved.origins
    values = settings.flat()
    rows = [(setting.name, show(setting.type, values[setting.name]), origins[setting.name]) for setting in SETTINGS]
    for section in settings.keys:
        for name, value in section.values.items():
            full = key_setting(section.pattern, name)
            rows.append((full, show(BY_NAME[name].type, value), origins[full]))
    rows += [
        (limit_name(limit.pattern), str(limit.count), origins[limit_name(limit.pattern)]) for limit in settings.limits
    ]
    return rows


def markdown_table() -> str:
    """Return the table of all settings in ``docs/configuration.md``."""
    head = ("Key", "Type", "Default", "Variable", "Flag", "Per key", "Meaning")
    rows = [head, tuple("---" for _ in head), *(_row(setting) for setting in SETTINGS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(setting: Setting) -> tuple[str, ...]:
    default = setting.default_help or ("empty" if setting.default == () else f"`{show(setting.type, setting.default)}`")
    many = ", repeatable" if setting.flag.startswith("--") else ", with commas"  # frontends take it once
    return (
        f"`{setting.name}`",
        setting.type.value,
        default,
        f"`{setting.env}`",
        f"`{setting.flag}`{many if setting.type.is_list else ''}",
        "yes" if setting.per_key else "",
        setting.help,
    )
