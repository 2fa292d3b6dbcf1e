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
    """Return whether uv builds and installs a project: there is ``[tool.uv]``, or a lock of it or of its workspace.

    What is no package for uv is not built.
    """
    table = table_at(project.pyproject, "tool", "uv")
    if table_at(project.pyproject, "tool", "uv", "package") is False:
        return False
    return (
        table is not None
        or is_file(project.directory / LOCK_NAME)
        # Where there is no lock, nothing is read: a check is to be quick.
        or any(is_file(place / LOCK_NAME) and is_workspace_of(place, project) for place in project.directory.parents)
    )


def is_workspace_of(place: Path, project: Project) -> bool:
    """Return whether ``place`` is the root of a workspace of ``dg`` or uv above ``project`` whose lock counts.

    For uv that is the nearest directory with a ``pyproject.toml``, if that is a workspace with the project as a member.
    """
    if place == project.workspace:
        return True
    directory = project.directory
    if table_at(project.pyproject, "tool", "uv", "workspace") is not None or not directory.is_relative_to(place):
        return False
    above = next((one for one in directory.parents if is_file(one / "pyproject.toml")), None)
    if place != above:
        return False
    try:
        file = load_if_there(place / "pyproject.toml")
    except StatebakeError:
        return False
    workspace = table_at(file.data, "tool", "uv", "workspace") if file else None
    return is_member(workspace, directory.relative_to(place).as_posix())
