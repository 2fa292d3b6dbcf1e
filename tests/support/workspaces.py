"""``dg`` workspaces of small native projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.native import native_project
from support.trees import write_tree


def workspace(root: Path, projects: Mapping[str, str], settings: str = "") -> Path:
    """Write a workspace whose projects, by name, have these ``defs.yaml`` files and settings, and return it."""
    for name, text in projects.items():
        project = native_project(root / name, text)
        configure(project, settings)
        pyproject = project / "pyproject.toml"
        pyproject.write_text(pyproject.read_text().replace('name = "shop"', f'name = "{name}"'))
        tool = '\n[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "shop"\n'
        pyproject.write_text(pyproject.read_text() + tool)
    listed = "".join(f'\n[[workspace.projects]]\npath = "{name}"\n' for name in projects)
    return write_tree(root, {"dg.toml": f'directory_type = "workspace"\n{listed}'})


def configure(project: Path, settings: str) -> None:
    """Let ``settings`` be the project's ``statebake.toml``; its framework stays the native one."""
    write_tree(project, {"statebake.toml": f'host = "native"\n{settings}'})
