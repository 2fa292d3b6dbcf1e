"""Whether a project is installed by uv, as its files tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statebake.config.toml_file import is_file, load_if_there, table_at
from statebake.config.uv_workspace import is_member
from statebake.errors import StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

    from statebake.config.project import Project

LOCK_NAME = "uv.lock"


def installed_by_uv(project: Project) -> bool:
    """Return whether uv builds and installs a project: there is ``[tool.uv]``, a lock of it, or a workspace with it.

    What is no package for uv is not built.
    """
    table = table_at(project.pyproject, "tool", "uv")
    if table_at(project.pyproject, "tool", "uv", "package") is False:
        return False
    return (
        table is not None
        or is_file(project.directory / LOCK_NAME)
        or any(place == project.workspace and is_file(place / LOCK_NAME) for place in project.directory.parents)
        or uv_workspace_of(project) is not None
    )


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
