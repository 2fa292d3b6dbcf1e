"""Whether a project is installed by uv, as its files tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from statebake.config.backends import backend_of
from statebake.config.toml_file import is_file, load_if_there, table_at
from statebake.config.uv_workspace import is_member
from statebake.errors import StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec

    from statebake.config.project import Project

LOCK_NAME = "uv.lock"
_SOURCES = ("tool", "uv", "sources")
_MOST_PLACES = 1000  # directories of a repository that are looked into


def installed_by_uv(project: Project) -> bool:
    """Return whether uv builds and installs a project: there is a sign of uv, and it is a package for it."""
    if table_at(project.pyproject, "tool", "uv", "package") is False:
        return False
    return (sign_of_uv(project) or source_of(project)) is not None


def sign_of_uv(project: Project) -> str | None:
    """Return how one can see that uv is used for a project itself, or ``None``.

    That is its lock, its configuration, its build backend, or a workspace with the project. See ``source_of`` as well.
    """
    if name := next((name for name in (LOCK_NAME, "uv.toml") if is_file(project.directory / name)), None):
        return name
    if table_at(project.pyproject, "tool", "uv") is not None:
        return "[tool.uv]"
    if (backend_of(project.pyproject) or "").split(".")[0] == "uv_build":
        return "uv_build"
    workspace = uv_workspace_of(project)
    for place in project.directory.parents:
        if place in {workspace, project.workspace} and is_file(place / LOCK_NAME):
            return f"{LOCK_NAME} of {place.name}"
    return f"[tool.uv.workspace] of {workspace.name}" if workspace else None


def source_of(project: Project) -> str | None:
    """Return which ``[tool.uv.sources]`` of the repository has a ``path`` to a project, or ``None``.

    Its topmost directories and those in them are looked into, but not what is hidden or ignored by the root's
    ``.gitignore``.
    """
    places = (project.directory, *project.directory.parents)
    root = next((place for place in places if (place / ".git").exists()), None)
    for place in _places(root) if root else ():
        if place != project.directory and project.directory in _paths_of_sources(place):
            return f"[{'.'.join(_SOURCES)}] of {place.name}"
    return None


def _paths_of_sources(place: Path) -> Iterator[Path]:
    """Yield the paths that the sources of the project at ``place``, if there is one, lead to."""
    file = place / "pyproject.toml"
    try:
        if not is_file(file) or b"sources" not in file.read_bytes():
            return
        data = load_if_there(file)
    except (OSError, StatebakeError):  # what is wrong with another project is told where it is used
        return
    sources = table_at(data.data, *_SOURCES) if data else None
    for given in sources.values() if isinstance(sources, dict) else ():
        for source in given if isinstance(given, list) else [given]:
            path = source.get("path") if isinstance(source, dict) else None
            if isinstance(path, str) and "\0" not in path:
                yield (place / path).resolve()


def _places(root: Path) -> Iterator[Path]:
    """Yield ``root``, its directories and theirs, those higher up first."""
    yield root
    ignored = _ignored(root)
    first = _directories(root, root, ignored)
    second = (below for place in first for below in _directories(place, root, ignored))
    yield from islice(chain(first, second), _MOST_PLACES)


def _directories(place: Path, root: Path, ignored: GitIgnoreSpec | None) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    visible = [place / name for name in names if not name.startswith(".")]
    return [path for path in visible if not (ignored and ignored.match_file(f"{path.relative_to(root).as_posix()}/"))]


def _ignored(root: Path) -> GitIgnoreSpec | None:
    """Return what the ``.gitignore`` of ``root`` ignores; one that cannot be read ignores nothing."""
    try:
        lines = (root / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
        from pathspec import GitIgnoreSpec

        return GitIgnoreSpec.from_lines(lines)
    except (OSError, ValueError):
        return None


def is_workspace_of(place: Path, project: Project) -> bool:
    """Return whether ``place`` is the root of a workspace of ``dg`` or uv above ``project`` whose lock counts."""
    return place == project.workspace or (place in project.directory.parents and place == uv_workspace_of(project))


def uv_workspace_of(project: Project) -> Path | None:
    """Return the root of the workspace of uv that ``project`` is a member of, itself not being one; or ``None``.

    That is the nearest directory above with a ``pyproject.toml``, if that is a workspace with the project as a member.
    """
    directory = project.directory
    if table_at(project.pyproject, "tool", "uv", "workspace") is not None:
        return None
    above = next((one for one in directory.parents if is_file(one / "pyproject.toml")), None)
    if above is None:
        return None
    try:
        file = load_if_there(above / "pyproject.toml")
    except StatebakeError:
        return None
    workspace = table_at(file.data, "tool", "uv", "workspace") if file else None
    return above if is_member(workspace, directory.relative_to(above).as_posix()) else None
