"""The ``STATEBAKE_*`` variables: settings, those that mean something else, and slips of the pen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statebake.config.schema import SETTINGS
from statebake.config.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "STATEBAKE_"
NOT_SETTINGS = frozenset({"STATEBAKE_CACHE_DIR", "STATEBAKE_DEV", "STATEBAKE_REQUIRE"})
"""Variables that other parts read: the cache's place, development mode, and what the tests must not skip."""


def unknown_variables(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return a warning for every ``STATEBAKE_*`` variable that nothing reads, sorted, without its value."""
    known = NOT_SETTINGS | {setting.env for setting in SETTINGS}
    unknown = sorted(name for name in env if name.startswith(PREFIX) and name not in known)
    return tuple(f"{name} is not a variable of statebake{did_you_mean(name, known)}" for name in unknown)


def source_date_epoch(env: Mapping[str, str]) -> int | None:
    """Return the time that nothing in a build's output is later than (reproducible-builds.org, "SOURCE_DATE_EPOCH"), in
    seconds since 1970; ``None`` where it is not given, or is no time: then the wrapped backend decides what to say.
    """
    value = env.get("SOURCE_DATE_EPOCH", "").strip()
    return int(value) if value.isascii() and value.isdecimal() else None
