"""Defs state keys and the directory names that they become.

The mapping is Dagster's (``dagster.components.utils.project_paths.get_local_state_dir``) and loses information, so two
keys can meet in one directory; ``collisions`` finds those.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

STATE_DIR_NAME = ".local_defs_state"
STATE_NAME = "state"
RECORD_NAME = ".statebake.json"
MANIFEST_NAME = "statebake-manifest.json"
STAGING_NAME = ".staging"
IGNORE_NAME = ".gitignore"

MAX_NAME_BYTES = 255
"""The longest file name of the usual file systems, in bytes (``NAME_MAX`` in ``limits.h``)."""


def sanitize_key(key: str) -> str:
    """Return the name of the directory that holds the state of ``key``."""
    return re.sub(r"[^A-Za-z0-9._-]", "__", key)


def key_problem(key: str) -> str | None:
    """Return why ``key`` cannot name a directory, or ``None`` when it can."""
    name = sanitize_key(key)
    if not key.strip():
        return "it is empty"
    if any(unicodedata.category(character) == "Cc" for character in key):
        return "it contains a control character"
    if name in {".", ".."}:
        return f"its directory would be {name!r}, which leaves the state directory"
    if name in {STAGING_NAME, MANIFEST_NAME, IGNORE_NAME} or name.lower() == STAGING_NAME:
        return f"its directory would be {name!r}, a name that statebake uses itself"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"its directory name would have {len(name.encode())} bytes; file systems allow {MAX_NAME_BYTES}"
    return None


def collisions(keys: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of different keys that would share one directory, each group and the list sorted.

    Names that differ only by case, and keys that differ only by Unicode normal form, count as one: some file systems
    cannot tell them apart.
    """
    by_name: dict[str, set[str]] = {}
    for key in set(keys):
        for form in (key, unicodedata.normalize("NFC", key)):
            by_name.setdefault(sanitize_key(form).casefold(), set()).add(key)
    return sorted({tuple(sorted(group)) for group in by_name.values() if len(group) > 1})
