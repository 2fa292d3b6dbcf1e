"""Finding a project's modules on disk, without importing them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

DEFS_DIR_NAME = "defs"


def source_roots(directory: Path) -> tuple[Path, ...]:
    """Return where a project's packages may lie, in the search's order: ``src/`` if there, the project."""
    src = directory / "src"
    return (src, directory) if src.is_dir() else (directory,)


def module_path(directory: Path, module: str) -> Path | None:
    """Return the directory or the ``.py`` file of a dotted ``module`` of the project, or ``None``."""
    for root in source_roots(directory):
        path = root.joinpath(*module.split("."))
        if _is_package(path):
            return path
        if (source := path.with_name(f"{path.name}.py")).is_file():
            return source
    return None


def detect_module(directory: Path, name: str) -> str | None:
    """Return the root module of the project called ``name``.

    That is the module named like the project (``-`` and ``.`` as ``_``), or else the only package with a
    ``defs`` directory; ``None`` where there is neither.
    """
    normalized = re.sub(r"[-_.]+", "_", name)
    for candidate in (normalized.lower(), normalized):
        if candidate.isidentifier() and module_path(directory, candidate):
            return candidate
    with_defs = {
        path.name
        for root in source_roots(directory)
        for path in root.iterdir()
        if path.name.isidentifier() and (path / DEFS_DIR_NAME).is_dir()
    }
    return with_defs.pop() if len(with_defs) == 1 else None


def _is_package(path: Path) -> bool:
    return path.is_dir() and (path.name == DEFS_DIR_NAME or (path / DEFS_DIR_NAME).is_dir() or any(path.glob("*.py")))


def import_root(project: Path, defs_dir: Path) -> Path:
    """Return the directory of ``project`` that is on the import path and has ``defs_dir`` in it.

    Raises ``StatebakeError`` (``OTHER_COPY``) when the definitions are imported from somewhere else.
    """
    for root in source_roots(project.resolve()):
        if defs_dir.resolve().is_relative_to(root.resolve()) and "site-packages" not in defs_dir.parts:
            return root
    raise StatebakeError(
        Code.OTHER_COPY,
        "The definitions are imported from another copy of the project, so state would be written there.",
        where=str(defs_dir),
        next_step="uninstall that copy from the project's interpreter, or install the project with pip install -e",
    )
