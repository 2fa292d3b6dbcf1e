"""Whether every key is wholly of one version: key directories compared file by file, and with their records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from support.pexes import RECORD, digests
from support.trees import leftovers, read_tree

Keys = Mapping[str, Mapping[str, bytes]]
"""The files of every key directory, its record left out: its name, relative path, content."""


def keys_in(root: Path) -> dict[str, dict[str, bytes]]:
    """Return the key directories under ``root``; one without a file counts as none."""
    found: dict[str, dict[str, bytes]] = {}
    for path, content in read_tree(root).items():
        name, slash, rest = path.partition("/")
        if slash and rest != RECORD:
            found.setdefault(name, {})[rest] = content
    return found


def torn(root: Path, *versions: Keys) -> list[str]:
    """Return the key directories under ``root`` that are wholly of none of the versions, those that are not there too.

    Where a version lacks a key, its absence is of that version.
    """
    found = keys_in(root)
    names = {*found, *(name for version in versions for name in version)}
    return sorted(name for name in names if found.get(name) not in [version.get(name) for version in versions])


def badly_recorded(root: Path) -> list[str]:
    """Return the key directories whose record is missing, no record, or of other content."""
    return sorted(name for name, digest in digests(read_tree(root)).items() if _recorded(root / name) != digest)


def left_in_staging(root: Path) -> list[str]:
    """Return what a run left in the staging directory of the state directory ``root``."""
    staging = root / ".staging"
    return leftovers(root) if staging.is_dir() else []


def _recorded(key_dir: Path) -> str | None:
    try:
        digest: str = json.loads((key_dir / RECORD).read_text())["digest"]
    except (OSError, ValueError, KeyError):
        return None
    return digest
