"""Asking a project whether the caches of its installer would notice new state."""

from __future__ import annotations

from pathlib import PurePosixPath

from statebake.check.caches import cache_findings
from statebake.config.backends import hatch_of, wheel_carries_state
from statebake.config.toml_file import load_toml, located
from statebake.config.uv_use import installed_by_uv
from statebake.model.finding import Finding
from statebake.pipeline import OpenProject


def find_stale_caches(opened: OpenProject) -> list[Finding]:
    """Return what is wrong with the caches of an open project; reads the project's configuration only."""
    target = opened.target
    project = target.project
    if (
        target.settings.on_build == "off"
        or not wheel_carries_state(project.pyproject, hatch_of(project))
        or not installed_by_uv(project)
    ):
        return []
    state_dir, directory = opened.state_dir.resolve(), project.directory.resolve()
    if not state_dir.is_relative_to(directory):  # by a link: no `cache-keys` lead there
        return []
    file = load_toml(project.directory / "pyproject.toml")
    where = located(file.path.name, file.line("tool", "uv", "cache-keys"))
    return list(cache_findings(project.pyproject, PurePosixPath(state_dir.relative_to(directory).as_posix()), where))
