"""Making and comparing whole directory trees."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` (relative path: dedented text) under ``root`` and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def leftovers(state_dir: Path) -> list[str]:
    """Return what is in the staging directory besides what belongs there: the lock, and what failed last."""
    return sorted(path.name for path in (state_dir / ".staging").iterdir() if path.name not in {"lock", "last.json"})


def read_tree(root: Path) -> dict[str, bytes]:
    """Return every file under ``root`` by relative path, staging and byte code left out: whole trees are compared."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".staging" not in path.parts and "__pycache__" not in path.parts
    }
