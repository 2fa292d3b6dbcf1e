"""What a build frontend hands to a build backend (PEP 517, "config settings"): ``-C statebake.on_build=refresh``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statebake.config.schema import BY_NAME, SETTINGS
from statebake.config.spelling import did_you_mean
from statebake.config.values import from_variable
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "statebake."
_KNOWN = {
    setting.flag.partition(" ")[2]: setting.name for setting in SETTINGS if setting.flag.startswith(f"-C {_PREFIX}")
}


def split_config_settings(given: Mapping[str, Any] | None) -> tuple[dict[str, object], dict[str, Any] | None]:
    """Return statebake's own among a frontend's config settings, as flags of ``resolve``, and all others.

    The others are for the wrapped backend: ``None`` where there are none. Raises ``StatebakeError``:
    ``UNKNOWN_SETTING``; ``BAD_SETTING`` for one that is no text.
    """
    own: dict[str, object] = {}
    others: dict[str, Any] = {}
    for key, value in (given or {}).items():
        if not f"{key}.".startswith(_PREFIX):
            others[key] = value
            continue
        if key not in _KNOWN:
            raise StatebakeError(
                Code.UNKNOWN_SETTING,
                f"{key} is not a setting of a build{did_you_mean(key, frozenset(_KNOWN))}",
                where=f"-C {key}",
                next_step="set it in pyproject.toml, or as a variable: docs/configuration.md has them all",
            )
        name = _KNOWN[key]
        if not isinstance(value, str):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"{name} is given as {value!r}; expected: {BY_NAME[name].type.value}",
                where=f"-C {key}",
                next_step="give it once, with a value",
            )
        own[name] = from_variable(BY_NAME[name].type, value)
    return own, others or None
