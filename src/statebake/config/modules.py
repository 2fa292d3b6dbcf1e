"""Finding a project's modules on disk, without importing them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from statebake.config.layout import package_roots
from statebake.config.toml_file import load_if_there
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

DEFS_DIR_NAME = "defs"
_SAYING = ("pyproject.toml", "hatch.toml")
"""The files by which build backends are told where packages lie."""


def source_roots(directory: Path) -> tuple[Path, ...]:
    """Return where a project's packages may lie, in the search's order.

    That is where its build backend is told to look, ``src/``, and the project itself, as far as they are there.
    """
    said = _said_roots(directory, *(_changed(directory / name) for name in _SAYING))
    places = [*(directory / root for root in said if root != "."), directory / "src"]
    return tuple(dict.fromkeys([*(place for place in places if place.is_dir()), directory]))


def _changed(file: Path) -> int:
    """Return when a file was changed last, in nanoseconds; 0: it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=64)
def _said_roots(directory: Path, *_changed_ns: int) -> tuple[str, ...]:
    """Return the roots that a project's build backend is told, read once for each state of the files that say so."""
    try:
        pyproject, hatch = (load_if_there(directory / name) for name in _SAYING)
    except StatebakeError:  # who reads the settings tells what is wrong with it
        return ()
    return package_roots(pyproject.data if pyproject else {}, hatch.data if hatch else {})


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
