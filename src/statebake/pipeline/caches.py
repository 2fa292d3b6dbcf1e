"""Asking a project whether the caches of its installer would notice new state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from statebake.check.caches import cache_findings
from statebake.config.backends import hatch_of, hook_options, is_wrapped, wheel_carries_state
from statebake.config.toml_file import load_toml, located
from statebake.config.uv_use import installed_by_uv
from statebake.model.finding import Finding
from statebake.pipeline import OpenProject, Target


def find_stale_caches(opened: OpenProject) -> list[Finding]:
    """Return what is wrong with the caches of an open project; reads the project's configuration only."""
    target = opened.target
    project = target.project
    hatch = hatch_of(project)
    if (
        _on_build(target, hatch) == "off"
        or not wheel_carries_state(project.pyproject, hatch)
        or not installed_by_uv(project)
    ):
        return []
    state_dir, directory = opened.state_dir.resolve(), project.directory.resolve()
    if not state_dir.is_relative_to(directory):  # by a link: no `cache-keys` lead there
        return []
    file = load_toml(project.directory / "pyproject.toml")
    where = located(file.path.name, file.line("tool", "uv", "cache-keys"))
    return list(cache_findings(project.pyproject, PurePosixPath(state_dir.relative_to(directory).as_posix()), where))


def _on_build(target: Target, hatch: Mapping[str, Any]) -> object:
    """Return what counts for a wheel: a hook of hatchling has an option of its own, and a variable is stronger."""
    pyproject = target.project.pyproject
    if is_wrapped(pyproject) or target.config.origins["on_build"].startswith("env "):
        return target.settings.on_build
    return (hook_options(pyproject, hatch, "wheel") or {}).get("on_build", target.settings.on_build)
