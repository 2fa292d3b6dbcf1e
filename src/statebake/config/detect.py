"""The values that nobody set but that the project's files tell."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from statebake.config.backends import hatch_of
from statebake.config.cascade import ResolvedConfig, resolve
from statebake.config.layout import BY_ITS_NAME, moves_packages
from statebake.config.modules import detect_module, module_path
from statebake.config.settings import Settings
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from statebake.config.project import Project


def configure(
    project: Project,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
) -> ResolvedConfig:
    """Return the project's settings with all detected that can be; raises as ``resolve``."""
    return with_detected(resolve(project.directory, flags, env, cwd=cwd), project)


def with_detected(resolved: ResolvedConfig, project: Project) -> ResolvedConfig:
    """Return ``resolved`` with ``host``, ``module``, ``defs_module`` and ``pex.output`` filled in.

    Afterwards ``host`` and ``pex.output`` always have a value; the modules are ``None`` where none was found.
    """
    given = resolved.settings.flat()
    filled = given | {name: value for name, value in _detected(project, resolved.settings).items() if value}
    detected = {name: "detected" for name, value in filled.items() if value != given[name]}
    settings = Settings.from_flat(filled, keys=resolved.settings.keys, limits=resolved.settings.limits)
    return replace(resolved, settings=settings, origins={**resolved.origins, **detected})


def find_defs_dir(project: Project, settings: Settings) -> Path:
    """Return the directory of the module that holds the definitions, as the project's files tell; nothing is imported.

    Raises ``StatebakeError`` (``BAD_SETTING``) where they do not.
    """
    module = settings.defs_module
    found = module_path(project.directory, module) if module else None
    if found is None:
        by_module = module in {None, settings.module, f"{settings.module}.defs"}  # which finds the other one as well
        moved = moves_packages(project.pyproject, hatch_of(project))
        why = f": {moved}" if moved else ""
        raise StatebakeError(
            Code.BAD_SETTING,
            f"The module of the definitions, {module}, is no package or module of this project{why}."
            if module
            else f"It is not known which package of this project holds the definitions{why}.",
            where=str(project.config_file),
            next_step=BY_ITS_NAME
            if moved
            else f'name it: [tool.statebake] {"module" if by_module else "defs_module"} = "…"',
        )
    return found if found.is_dir() else found.parent


def _detected(project: Project, settings: Settings) -> dict[str, object]:
    """Return the final values of what can be detected: the given one where there is one."""
    host = settings.host or project.host
    dg = project.dg if host == "dagster" and settings.module is None else None
    module = settings.module or (dg.root_module if dg else detect_module(project.directory, project.name))
    defs_module = settings.defs_module or (dg.defs_module if dg else None)
    if defs_module is None and module is not None:
        path = module_path(project.directory, f"{module}.defs")
        defs_module = f"{module}.defs" if path and path.is_dir() else module
    file_name = re.sub(r"[^A-Za-z0-9._-]", "_", project.name)
    return {
        "host": host,
        "module": module,
        "defs_module": defs_module,
        "pex.output": settings.pex.output or project.directory / "dist" / f"{file_name}.pex",
    }
