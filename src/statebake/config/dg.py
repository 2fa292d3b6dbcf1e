"""What the ``dg`` tool's configuration says: a project, or a workspace of projects.

The format is Dagster's (``dagster_dg_core.config``, ``dagster_shared.utils.config``, 1.12 and 1.13): the
top level of ``dg.toml``, else ``[tool.dg]`` in ``pyproject.toml``; where ``dg.toml`` exists, the other is
not read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from statebake.config.modules import module_path
from statebake.config.schema import Kind
from statebake.config.toml_file import TomlFile, load_if_there, table_at
from statebake.config.values import parse
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class DgProject:
    """A ``dg`` project's configuration, defaults filled in as Dagster does.

    Attributes:
        root_module: the project's root package.
        defs_module: ``<root_module>.defs``, or ``<root_module>.definitions`` where only that exists.
        code_location_name: the directory's name by default.
        code_location_target_module: ``<root_module>.definitions`` by default.
        registry_modules: modules that register components.
        raw: the whole ``project`` table.
    """

    root_module: str
    defs_module: str
    code_location_name: str
    code_location_target_module: str
    registry_modules: tuple[str, ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class DgConfig:
    """The ``dg`` configuration of one directory; ``kind`` is ``None`` for the tool's own settings only."""

    file: TomlFile
    prefix: tuple[str, ...]
    table: Mapping[str, Any]
    kind: Literal["workspace", "project"] | None

    def bad(self, message: str, *keys: str) -> StatebakeError:
        """Return the ``BAD_SETTING`` error about the value at ``keys``."""
        return StatebakeError(
            Code.BAD_SETTING,
            message,
            where=self.file.where(*self.prefix, *keys),
            next_step=f"correct {self.file.path.name}; `dg check toml` knows the format",
        )


def read_dg(directory: Path, pyproject: TomlFile | None) -> DgConfig | None:
    """Return the ``dg`` configuration of ``directory``, whose ``pyproject.toml`` has been read, or ``None``.

    Raises ``StatebakeError``: ``BAD_TOML``, or ``BAD_SETTING`` for a ``directory_type`` that Dagster does
    not have.
    """
    own = load_if_there(directory / "dg.toml")
    prefix: tuple[str, ...] = () if own else ("tool", "dg")
    file = own or pyproject
    table = (table_at(file.data, *prefix) if prefix else file.data) if file else None
    if file is None or not isinstance(table, Mapping):
        return None
    given = table.get("directory_type")
    if given == "workspace" or (given is None and "workspace" in table):
        return DgConfig(file, prefix, table, "workspace")
    if given == "project" or (given is None and "project" in table):
        return DgConfig(file, prefix, table, "project")
    config = DgConfig(file, prefix, table, None)
    if given is not None:
        raise config.bad(f"directory_type is {given!r}; expected: `project` or `workspace`", "directory_type")
    return config


def configured_module(name: str, text: str) -> str | None:
    """Return the module that a file called ``name`` has Dagster load; ``None``: it has not what Dagster looks for
    (``dagster_shared.utils.config``, 1.13).
    """
    try:
        data = tomllib.loads(text)
    except ValueError:
        return None
    project = table_at(data, "project") if name == "dg.toml" else table_at(data, "tool", "dg", "project")
    found = project.get("defs_module") or project.get("root_module") if isinstance(project, dict) else None
    return str(found) if found else None


def loads_package(module: str, package: str) -> bool:
    """Return whether definitions in the directory ``package`` are those of ``module``.

    That is the package, one above it, or a module in it.
    """
    path = module.replace(".", "/")
    above = path.rpartition("/")[0]
    return f"/{path}/" in f"/{package}/" or (bool(above) and f"/{package}".endswith(f"/{above}"))


def dg_project(directory: Path, config: DgConfig) -> DgProject:
    """Return the project that ``config``, of kind ``project``, describes.

    Raises ``StatebakeError`` (``BAD_SETTING``) where ``root_module`` is missing or a value has the wrong
    type.
    """
    raw = config.table.get("project", {})
    if not isinstance(raw, Mapping):
        raise config.bad("project is not a table", "project")

    def module(key: str) -> str | None:
        value = raw.get(key)
        try:
            return None if value is None else str(parse(Kind.MODULE, value, directory))
        except ValueError as error:
            raise config.bad(f"project.{key} is {value!r}; expected: module name", "project", key) from error

    root = module("root_module")
    if root is None:
        raise config.bad("the dg project has no project.root_module", "project")
    registry = raw.get("registry_modules", [])
    if not isinstance(registry, list) or not all(isinstance(item, str) for item in registry):
        raise config.bad("project.registry_modules is not a list of strings", "project", "registry_modules")
    return DgProject(
        root_module=root,
        defs_module=module("defs_module") or _default_defs_module(directory, root),
        code_location_name=str(raw.get("code_location_name") or directory.name),
        code_location_target_module=module("code_location_target_module") or f"{root}.definitions",
        registry_modules=tuple(registry),
        raw=raw,
    )


def workspace_members(config: DgConfig) -> list[Path]:
    """Return the directories of a workspace's projects, in the file's order; they may not exist.

    Raises ``StatebakeError`` (``BAD_SETTING``) where the list has another form than
    ``[[workspace.projects]]`` with a ``path`` each.
    """
    keys = ("workspace", "projects")
    projects = table_at(config.table, *keys) or []
    if not isinstance(projects, list):
        raise config.bad("workspace.projects is not a list of tables", *keys)
    members = []
    for project in projects:
        path = project.get("path") if isinstance(project, Mapping) else None
        if not isinstance(path, str) or not path:
            raise config.bad("a project of the workspace has no path", *keys)
        members.append((config.file.path.parent / path).resolve())
    return members


def _default_defs_module(directory: Path, root: str) -> str:
    names = (f"{root}.defs", f"{root}.definitions")
    return next((name for name in names if module_path(directory, name)), names[0])
