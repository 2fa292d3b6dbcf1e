"""Where a key's state lies on disk, and whether it is there."""

from __future__ import annotations

import os

from statebake.errors import Code, StatebakeError
from statebake.model.keys import MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME, STATE_NAME, sanitize_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def state_dir_of(defs_dir: Path) -> Path:
    """Return the directory that holds every key directory of ``defs_dir``."""
    return defs_dir / STATE_DIR_NAME


def is_baked(defs_dir: Path) -> bool:
    """Return whether ``defs_dir`` is part of a baked artifact."""
    return (state_dir_of(defs_dir) / MANIFEST_NAME).is_file()


def state_path_of(defs_dir: Path, key: str) -> Path:
    """Return the path of the state of ``key``, whether or not it exists."""
    return state_dir_of(defs_dir) / sanitize_key(key) / STATE_NAME


def is_present(state_path: Path) -> bool:
    """Return whether there is state: ``state`` exists, and it or a sibling of it has content.

    An empty ``state`` file beside a filled directory is state (dbt's is); on its own it is not, and neither is an empty
    directory, which archives do not carry. The record is no sibling.
    """
    if not state_path.exists():
        return False
    return _has_content(state_path) or (state_path.is_file() and _siblings_have_content(state_path))


def require_present(state_path: Path, key: str, where: str, *, baked: bool) -> Path:
    """Return ``state_path``; raise ``MISSING_STATE`` or ``EMPTY_STATE`` when there is no state of ``key``."""
    if is_present(state_path):
        return state_path
    if state_path.exists():
        code, problem = Code.EMPTY_STATE, "is empty, and there is nothing beside it"
    else:
        code, problem = Code.MISSING_STATE, "does not exist"
    raise StatebakeError(
        code,
        f"There is no state for the key {key!r}: {state_path} {problem}.",
        where=where,
        next_step="bake the artifact again, with state: statebake bake" if baked else "statebake refresh",
    )


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(names for _, _, names in os.walk(path))
    return path.stat().st_size > 0


def _siblings_have_content(state_path: Path) -> bool:
    from pathlib import Path

    for directory, _, names in os.walk(state_path.parent, followlinks=True):
        here = Path(directory)
        own = {STATE_NAME, RECORD_NAME} if here == state_path.parent else ()
        for path in (here / name for name in names if name not in own):
            if path.exists() and path.stat().st_size:
                return True
    return False
