"""Dagster 1.12 and 1.13, projects laid out for ``dg``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statebake.config import Project, Settings


class DagsterHost:
    """See ``Host``."""

    name = "dagster"
    # Dagster starts `sys.executable -m dagster …` for its code servers; only a virtual environment serves those.
    pex_flags = ("--venv",)
    brings_runtime = False
    distribution = "dagster"

    def entry_point(self, settings: Settings) -> str:  # noqa: ARG002
        """Return Dagster's own command line."""
        return "dagster"

    def artifact_config(self, project: Project) -> Mapping[str, Any] | None:
        """Return ``[tool.dg.project]``: Dagster looks for it at run time, above the module that it loads.

        Without ``code_location_name`` the location would be named after the directory that holds it, which inside a
        PEX is a cache directory's hash.
        """
        if project.dg is None:
            return None
        return {**project.dg.raw, "code_location_name": project.dg.code_location_name}

    def own_modules(self, project: Project, settings: Settings) -> tuple[str, ...]:
        """Return the root module, the definitions' module, the code location's module."""
        names = [settings.module, settings.defs_module]
        if project.dg:
            names.append(project.dg.code_location_target_module)
        return tuple(dict.fromkeys(name for name in names if name))
