"""Finding the projects to work on: those named, or the one around the current directory.

A directory is a *configured* project when it has ``statebake.toml``, ``[tool.statebake]`` or a ``dg`` project
configuration, and a *plain* one when its ``pyproject.toml`` has a ``[project]`` table and nothing of these.
A ``dg`` workspace stands for all its projects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statebake.config.dg import DgConfig, DgProject, dg_project, read_dg, workspace_members
from statebake.config.toml_file import TomlFile, is_file, load_if_there, table_at
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from statebake.config.settings import HostName


@dataclass(frozen=True)
class Project:
    """One project on disk.

    Attributes:
        directory: where it is, resolved.
        name: ``[project] name``, else the directory's name.
        config_file: the file that makes it a project: the one with ``dg``'s configuration, else
            ``statebake.toml``, else ``pyproject.toml``.
        workspace: the directory of the ``dg`` workspace that lists it.
        host: what its files say; the ``host`` setting may say otherwise.
        dg: its ``dg`` project configuration.
        pyproject: its ``pyproject.toml``, empty where it has none.
    """

    directory: Path
    name: str
    config_file: Path
    workspace: Path | None
    host: HostName
    dg: DgProject | None
    pyproject: Mapping[str, Any]


@dataclass(frozen=True)
class _Files:
    """The configuration files of one directory."""

    directory: Path
    pyproject: TomlFile | None
    own: Path | None
    dg: DgConfig | None

    @property
    def config_file(self) -> Path | None:
        dg = self.dg.file.path if self.dg else None
        pyproject = self.pyproject.path if self.pyproject else None
        return dg if self.dg and self.dg.kind else self.own or pyproject or dg

    @property
    def is_workspace(self) -> bool:
        return self.dg is not None and self.dg.kind == "workspace"

    @property
    def is_configured(self) -> bool:
        return bool(self.own or self.settings_table is not None or (self.dg and self.dg.kind))

    @property
    def is_plain(self) -> bool:
        return self.pyproject is not None and "project" in self.pyproject.data

    @property
    def settings_table(self) -> object:
        return table_at(self.pyproject.data, "tool", "statebake") if self.pyproject else None


def find_projects(dirs: Sequence[Path], cwd: Path) -> list[Project]:
    """Return the projects in ``dirs`` (relative to ``cwd``), or with no ``dirs`` the one around ``cwd``.

    The search goes upward from ``cwd``. The nearest configured project or workspace is taken; a plain
    project is taken only if there is none. A workspace gives all its projects in its file's order, or only
    the one that ``cwd`` is in. No project comes twice.

    Raises ``StatebakeError``: ``NO_PROJECT``, ``BAD_TOML``, or ``BAD_SETTING`` for a ``dg`` configuration
    that Dagster could not read either.
    """
    found = [project for directory in dirs for project in _named(cwd / directory)] if dirs else _around(cwd)
    return list({project.directory: project for project in found}.values())


def _named(path: Path) -> list[Project]:
    directory = path.resolve()
    if not directory.is_dir():
        raise _no_project(f"{path} is not a directory")
    files = _look(directory)
    if files.config_file is None:
        raise _no_project(f"{path} has no pyproject.toml, dg.toml or statebake.toml")
    return _members(files) if files.is_workspace else [_project(files, _workspace_of(directory))]


def _around(cwd: Path) -> list[Project]:
    start = cwd.resolve()
    plain: _Files | None = None
    for directory in (start, *start.parents):
        files = _look(directory)
        if files.is_workspace:
            return _members(files, inside=start)
        if files.is_configured:
            return [_project(files, _workspace_of(directory))]
        if files.is_plain and plain is None:
            plain = files
    if plain is None:
        raise _no_project(f"there is no project from {start} up to {start.anchor}")
    return [_project(plain, None)]


def _look(directory: Path) -> _Files:
    pyproject = load_if_there(directory / "pyproject.toml")
    own = directory / "statebake.toml"
    return _Files(directory, pyproject, own if is_file(own) else None, read_dg(directory, pyproject))


def _members(workspace: _Files, inside: Path | None = None) -> list[Project]:
    """Return a workspace's projects, or only the innermost one that ``inside`` is in."""
    config = workspace.dg
    assert config is not None
    if workspace.own or workspace.settings_table is not None:
        in_pyproject = workspace.pyproject.where("tool", "statebake") if workspace.pyproject else None
        raise StatebakeError(
            Code.BAD_SETTING,
            "a workspace has no settings of its own: every project has its own",
            where=str(workspace.own) if workspace.own else in_pyproject,
            next_step="move the settings into the projects' pyproject.toml",
        )
    directories = workspace_members(config)
    around = [directory for directory in directories if inside and inside.is_relative_to(directory)]
    if around:
        directories = [max(around, key=lambda directory: len(directory.parts))]
    where = config.file.where(*config.prefix, "workspace", "projects")
    if not directories:
        raise _no_project("the workspace lists no project", where)
    projects = []
    for directory in directories:
        files = _look(directory)
        if files.is_workspace or files.config_file is None:
            raise _no_project(f"the workspace lists {directory}, which is not a project", where)
        projects.append(_project(files, workspace.directory))
    return projects


def _workspace_of(project: Path) -> Path | None:
    """Return the nearest workspace above ``project`` that lists it."""
    for directory in project.parents:
        try:
            config = read_dg(directory, load_if_there(directory / "pyproject.toml"))
        except StatebakeError:  # what is wrong above a project is not the project's fault
            continue
        if config and config.kind == "workspace" and project in workspace_members(config):
            return directory
    return None


def _project(files: _Files, workspace: Path | None) -> Project:
    assert files.config_file is not None
    pyproject = files.pyproject.data if files.pyproject else {}
    name = table_at(pyproject, "project", "name")
    dg = dg_project(files.directory, files.dg) if files.dg and files.dg.kind == "project" else None
    return Project(
        directory=files.directory,
        name=name if isinstance(name, str) and name else files.directory.name,
        config_file=files.config_file,
        workspace=workspace,
        host="dagster" if dg else "native",
        dg=dg,
        pyproject=pyproject,
    )


def _no_project(message: str, where: str | None = None) -> StatebakeError:
    return StatebakeError(
        Code.NO_PROJECT,
        message,
        where=where,
        next_step="give one with --project DIR, or run statebake in a directory with a pyproject.toml",
    )
