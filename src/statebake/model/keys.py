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
LAST_NAME = "last.json"
LOCK_NAME = "lock"
IGNORE_NAME = ".gitignore"
STATE_LABEL = "io.statebake.state"
"""The label of an image that says where its state directory is."""
STATE_LAYER = "/parts/layer/"
"""What the last instruction of statebake's Dockerfile copies to the root of an image: the layer with the state."""

_URL_CREDENTIALS = re.compile(r"://[^/\s]*[^/\s:@]@")

OTHER_KEY = "attributes: {defs_state: {key: …}}, or what defs_state_config returns in a class of your own"
"""How a component gets another key."""

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
    categories = {unicodedata.category(character) for character in key}
    if "Cc" in categories:
        return "it contains a control character"
    if "Cs" in categories:
        return "it contains half of a character, which no file can hold"
    if _URL_CREDENTIALS.search(key):
        return "it contains the credentials of a URL, which would be baked with it"
    if name in {".", ".."}:
        return f"its directory would be {name!r}, which leaves the state directory"
    if name.lower() in {STAGING_NAME, MANIFEST_NAME, IGNORE_NAME}:
        return f"its directory would be {name!r}, a name that statebake uses itself"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"its directory name would have {len(name.encode())} bytes; file systems allow {MAX_NAME_BYTES}"
    return None


def collisions(keys: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of different keys that would share one directory, each group and the list sorted.

    Names that differ only by case, and keys that differ only by Unicode normal form, count as one: some file systems
    cannot tell them apart.
    """
    groups: dict[tuple[str, str], set[str]] = {}
    for key in set(keys):
        groups.setdefault(("name", sanitize_key(key).lower()), set()).add(key)
        groups.setdefault(("text", unicodedata.normalize("NFC", key)), set()).add(key)
    return sorted({tuple(sorted(group)) for group in groups.values() if len(group) > 1})


def why_collide(group: Iterable[str]) -> str:
    """Return what one of the groups of ``collisions`` has in common, to follow after ``they``."""
    keys = list(group)
    names = {sanitize_key(key) for key in keys}
    if len(names) == 1:
        return f"share one directory, {names.pop()}"
    if len({unicodedata.normalize("NFC", key) for key in keys}) == 1:
        return "differ only in how an accent is encoded (their Unicode normal form), which nobody can see"
    if len({key.lower() for key in keys}) == 1:
        return "differ only by case, so they share one directory where the file system ignores it"
    return "have directories that differ only by case, which are one where the file system ignores it"


def show_key(key: str, beside: Iterable[str]) -> str:
    """Return ``key`` quoted for a message, with what it has in it spelled out where another one looks like it."""
    looks = unicodedata.normalize("NFC", key)
    alike = any(other != key and unicodedata.normalize("NFC", other) == looks for other in beside)
    return ascii(key) if alike else repr(key)
